#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Mail::DKIM with keys from a file instead of the DNS: verify, sign, validate or seal standard input.
# usage: maildkim.pl ZONE.json verify|sign|validate|seal [DOMAIN SELECTOR KEYFILE CV]
use strict;
use warnings;
use JSON::PP;
use Mail::DKIM::Verifier;
use Mail::DKIM::Signer;
use Mail::DKIM::ARC::Verifier;
use Mail::DKIM::ARC::Signer;
use Mail::DKIM::DNS;

my ($file, $verb, $domain, $selector, $key, $cv) = @ARGV;
open(my $in, '<', $file) or die "$file: $!";
my $zone = decode_json(do { local $/; <$in> })->{records};

package Record {
    sub new { my ($class, $text) = @_; return bless {text => $text}, $class }
    sub type { return 'TXT' }
    sub txtdata { return $_[0]{text} }
    sub char_str_list { return ($_[0]{text}) }
}

no warnings 'redefine';
*Mail::DKIM::DNS::query = sub {
    my ($name) = @_;
    my $texts = $zone->{$name} ? $zone->{$name}{TXT} : undef;
    $@ = '';
    return map { Record->new(ref $_ ? join('', @$_) : $_) } @{$texts || []};
};
use warnings 'redefine';

binmode STDIN;
binmode STDOUT;
my $message = do { local $/; <STDIN> };

sub feed {
    my ($engine) = @_;
    $engine->PRINT($message);
    $engine->CLOSE;
    return $engine;
}

if ($verb eq 'verify') {
    print feed(Mail::DKIM::Verifier->new)->result_detail, "\n";
} elsif ($verb eq 'validate') {
    print feed(Mail::DKIM::ARC::Verifier->new)->result_detail, "\n";
} elsif ($verb eq 'sign') {
    my $signer = Mail::DKIM::Signer->new(
        Algorithm => 'rsa-sha256', Method => $cv, Domain => $domain, Selector => $selector, KeyFile => $key);
    print feed($signer)->signature->as_string, "\r\n", $message;
} elsif ($verb eq 'seal') {
    my $signer = Mail::DKIM::ARC::Signer->new(
        Algorithm => 'rsa-sha256', Chain => $cv, Domain => $domain, Selector => $selector, KeyFile => $key,
        SrvId => 'mx.perl.example', Headers => 'x-none');
    feed($signer);
    die "not sealed: " . $signer->{result} . "\n" unless $signer->{result} eq 'sealed';
    print join("\r\n", $signer->as_strings), "\r\n", $message;
} else {
    die "verify, sign, validate or seal?\n";
}

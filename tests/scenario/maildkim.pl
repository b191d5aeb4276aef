#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Mail::DKIM with keys from a file instead of the DNS. Starting it costs more than what it does, so it goes on: on
# standard input a line "BYTES verify|sign|validate|seal DOMAIN SELECTOR KEYFILE CV" and the message, then the next; on
# standard output a line with a number of bytes, and those. CV: of seal, or the canonicalization of sign.
# usage: maildkim.pl ZONE.json
use strict;
use warnings;
use JSON::PP;
use Mail::DKIM::Verifier;
use Mail::DKIM::Signer;
use Mail::DKIM::ARC::Verifier;
use Mail::DKIM::ARC::Signer;
use Mail::DKIM::DNS;

my ($file) = @ARGV;
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
$| = 1;

sub feed {
    my ($engine, $message) = @_;
    $engine->PRINT($message);
    $engine->CLOSE;
    return $engine;
}

sub done {
    my ($message, $verb, $domain, $selector, $key, $cv) = @_;
    return feed(Mail::DKIM::Verifier->new, $message)->result_detail . "\n" if $verb eq 'verify';
    return feed(Mail::DKIM::ARC::Verifier->new, $message)->result_detail . "\n" if $verb eq 'validate';
    my %how = (Algorithm => 'rsa-sha256', Domain => $domain, Selector => $selector, KeyFile => $key);
    if ($verb eq 'sign') {
        my $signer = feed(Mail::DKIM::Signer->new(%how, Method => $cv), $message);
        return $signer->signature->as_string . "\r\n" . $message;
    }
    my $signer = feed(Mail::DKIM::ARC::Signer->new(%how, Chain => $cv, SrvId => 'mx.perl.example', Headers => 'x-none'), $message);
    die "not sealed: " . $signer->{result} . "\n" unless $signer->{result} eq 'sealed';
    return join("\r\n", $signer->as_strings) . "\r\n" . $message;
}

while (defined(my $line = <STDIN>)) {
    my ($bytes, @words) = split ' ', $line;
    my $message = '';
    read(STDIN, $message, $bytes) == $bytes or die "cut short\n" if $bytes;
    my $out = done($message, @words);
    print length($out), "\n", $out;
}

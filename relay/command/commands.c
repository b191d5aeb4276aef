// SPDX-License-Identifier: ISC
// The table of subcommands: what `waxwing help`, the usage lines and the manual page know.
#include <stddef.h>
#include "relay/command/command.h"

const struct command commands[] = {
    {"help", "list the commands, or show one", "usage: waxwing help [COMMAND]\n", command_help_all},
    {"init", "lay down a configuration with keys, a login and a certificate; say what to publish",
     "usage: waxwing init [OPTION ...]\n"
     "Asks on a terminal for what no option says. Leaves alone what is there: run it again "
     "freely.\n"
     "  --domain D           mail is sent from this domain; may be repeated\n"
     "  --hostname NAME      the relay's own name in the DNS (relay.DOMAIN)\n"
     "  --user NAME          the login for programs (app); its password is made and shown once\n"
     "  --password-file F    the password is the first line of F instead\n"
     "  --listen A           a port or ADDRESS:PORT; may be repeated (587 and 465)\n"
     "  --network N          these clients need no login, as in 10.0.0.0/24; may be repeated\n"
     "  --smarthost HOP      everything goes through this host, as in [smtp.example.net]:587\n"
     "  --smarthost-user U, --smarthost-password-file F   its login\n"
     "  --postmaster A       where mail to postmaster goes (postmaster@DOMAIN)\n"
     "  --selector S         of the DKIM key (r and the year)\n"
     "  --dkim-key-file F    sign with this key, make none\n"
     "  --tls-chain-file F, --tls-key-file F   this certificate, make none\n"
     "  --dns-server A       ask this server and trust its validation as dns.dnssec says\n"
     "  --log-format F       text or json\n"
     "  --http A             where metrics and pages are, as in 127.0.0.1:9587; empty: off\n"
     "  --spool DIR, --state FILE   where queue and memory are\n"
     "  --directory DIR      where the configuration goes (/etc/waxwing)\n"
     "  --run-as NAME        the system user of the relay (root: waxwing)\n"
     "  --certbot            install the hook that hands certbot's certificate over\n"
     "  --postfix            let the Postfix of this machine send everything through the relay\n"
     "  --from-env           each option is a variable, as WAXWING_PASSWORD_FILE is "
     "--password-file\n"
     "  --yes                ask nothing\n"
     "  --offline            check without the DNS\n",
     command_init},
    {"run", "the relay, in the foreground",
     "usage: waxwing run [--print-config]\n"
     "Runs in the foreground until SIGTERM; SIGHUP reads the configuration again.\n"
     "  --print-config  print every key with its value and end\n",
     command_run},
    {"check", "look for what could be wrong before it hurts",
     "usage: waxwing check [--offline] [--json] [--dns-file F]\n"
     "Configuration, file rights, senders and their accounts and keys, certificates, ports, "
     "addresses,\n"
     "spool and state, the resolver's validation, keys and PTR records in the DNS.\n"
     "Exit: 0 no error, 1 something is wrong, 78 the configuration cannot be used.\n"
     "  --offline     ask no DNS\n"
     "  --json        for programs\n"
     "  --dns-file F  answer DNS questions from this file\n",
     command_check},
    {"explain", "what would happen to mail for a domain now, and what happened lately",
     "usage: waxwing explain [OPTION ...] DOMAIN|ADDRESS\n"
     "Asks the running relay, or looks up itself. Says when each host last took mail and last "
     "failed,\n"
     "what waits, and what changed since; of an ADDRESS also what rules do to it.\n"
     "Exit: 0 deliver, 75 defer, 1 bounce.\n"
     "  --json           for programs\n"
     "  --offline        never ask the relay\n"
     "  --connect        connect up to STARTTLS, show certificate and proof; sends no mail\n"
     "  --requiretls     for a message with REQUIRETLS\n"
     "  --sender NAME    for mail of this row of senders: a login, a client's address, unix:USER\n"
     "  --next-hop HOP   as if redirected there: name, [host] or [address], with or without :port\n"
     "  --dns-file F     answer DNS and HTTPS from this file\n"
     "  --resolver IP:PORT  ask this server\n"
     "  --state FILE     policies and memory of this state database\n"
     "  --now EPOCH      set the clock\n",
     command_explain},
    {"audit", "an own domain as receivers see it, and what to publish",
     "usage: waxwing audit [OPTION ...] DOMAIN | --all\n"
     "Addresses (PTR, HELO, blocklists), SPF, DKIM, DMARC, MTA-STS, TLSA, TLS-RPT, certificates, "
     "and\n"
     "the replies that receivers give. Exit: 0 no problem, 1 a problem, 75 unknown.\n"
     "  --all            every domain that has a key here\n"
     "  --ip A           mail leaves from this address (too); may be repeated\n"
     "  --json           for programs\n"
     "  --dns-file F     answer DNS and HTTPS from this file\n"
     "  --resolver IP:PORT  ask this server\n"
     "  --now EPOCH      set the clock\n",
     command_audit},
    {"preflight", "what receivers will not like of a message, and what to do",
     "usage: waxwing preflight [OPTION ...] FILE\n"
     "FILE is a message as an application hands it in; '-' is standard input. Looks at it as "
     "receivers\n"
     "do (RFC 5322, MIME, Gmail, Yahoo, Outlook.com); links, attachments and words are not "
     "judged.\n"
     "Exit: 0 no problem, 1 a problem, 65 not a message, 75 the DNS did not answer.\n"
     "  --sender A           the envelope sender; '<>': none\n"
     "  --recipients N       so many of them\n"
     "  --smtputf8           the application says SMTPUTF8\n"
     "  --binary             the application says BODY=BINARYMIME\n"
     "  --offline            ask no DNS for DMARC\n"
     "  --json               for programs\n"
     "  --dns-file F         answer DNS questions from this file\n"
     "  --resolver IP:PORT   ask this server\n"
     "  --now EPOCH          set the clock\n",
     command_preflight},
    {"health", "is the relay ready? for scripts and containers",
     "usage: waxwing health [--json]\n"
     "Exit: 0 it takes and delivers mail, 1 it does not, 75 no relay answers; one sentence says "
     "why.\n",
     command_health},
    {"status", "one screen about the running relay",
     "usage: waxwing status [--json] [--watch]\n"
     "  --watch  again every two seconds, until interrupted\n",
     command_status},
    {"queue",
     "list, show, export, import, retry, hold, release, redirect, remove, bounce what waits",
     "usage: waxwing queue list [FILTER ...] [--json]\n"
     "       waxwing queue show ID\n"
     "       waxwing queue export ID [> FILE]\n"
     "       waxwing queue export --envelope ID ... | FILTER ... | --all > FILE\n"
     "       waxwing queue import FILE\n"
     "       waxwing queue import FILE --sender A --to B ...\n"
     "       waxwing queue retry|hold|release|remove|bounce ID ... | FILTER ... | --all\n"
     "                     [--dry-run] [--yes]\n"
     "       waxwing queue redirect ID ... | FILTER ... | --all --to-next-hop HOP\n"
     "                     [--dry-run] [--yes]\n"
     "       waxwing queue list --fleet [--domain D] [--site S] [--state S] [--json]\n"
     "       waxwing queue VERB ... --offline\n"
     "filters:\n"
     "  --domain D      recipients at D\n"
     "  --sender A      envelope sender A; @D: all of D\n"
     "  --login L       accepted from this user or network row\n"
     "  --site S        on their way to this site, or to this host of one (known since the start)\n"
     "  --class C       whose last failure was of this class: address-unknown, rate, tls, ...\n"
     "  --state S       routing, waiting, ready, active or held\n"
     "  --older AGE     accepted longer ago than 90s, 15m, 4h, 5d; --newer AGE: since\n"
     "  --larger SIZE   messages of at least 64KiB, 25MiB; --smaller SIZE: at most\n"
     "export of one id is the message; with envelopes it is a file that import takes, on any "
     "relay.\n"
     "--offline works on the spool of a relay that is stopped; show needs a running one.\n"
     "--fleet shows what waits at each node of a fleet, as sums by domain and state.\n"
     "redirect sends to HOP, written as next_hop in the configuration, until it is undone with\n"
     "--to-next-hop ''. What is held stays held, everything else is tried at once.\n"
     "remove drops without a word to the sender; bounce tells the sender.\n"
     "Filters and --all are counted first, and asked about on a terminal.\n"
     "  --dry-run       only say how many\n"
     "  --yes           do not ask\n",
     command_queue},
    {"logins", "what is usual for each login, and which are held for jumping",
     "usage: waxwing logins list [--held] [--json]\n"
     "       waxwing logins release LOGIN\n"
     "A login that sends in an unusual way (jumps) is held: its mail is taken and waits. release "
     "lets\n"
     "all of it go, and what it did is usual from then on.\n"
     "Columns: recipients in this hour, in its busiest of late, new domains in this hour, "
     "delivered "
     "and\n"
     "failed of late. Exit: 0 done, 1 it is not held.\n"
     "  --held  only those that are held\n"
     "  --json  for programs\n",
     command_logins},
    {"sites", "how much mail each site gets, and the reply that taught it",
     "usage: waxwing sites [SITE] [--learned] [--json]\n"
     "A site is the set of hosts that mail for a domain goes to. A line says: its state (open, "
     "paced,\n"
     "shut, paused), connections in use, allowed now and at most, messages a minute that it gets, "
     "taken in\n"
     "the last minute, ready to go, replies that asked for less; below it what taught it last.\n"
     "SITE shows those whose names have it in them.\n"
     "  --learned  only those that taught the relay something, or are paused\n"
     "  --json     for programs\n",
     command_sites},
    {"pause", "stop deliveries to a site for a while",
     "usage: waxwing pause SITE [--for 2h] [--reason TEXT] [--json]\n"
     "SITE is one of `waxwing sites', one of its hosts, or a domain whose mail goes there. What is "
     "under\n"
     "way ends, what waits waits on, and sender and log hear why; it lasts over a restart.\n"
     "Exit: 0 paused, 1 there is no such site.\n"
     "  --for T        it goes on by itself after 90s, 30m, 4h, 2d\n"
     "  --reason TEXT  for the log and whoever looks\n"
     "  --json         for programs\n",
     command_pause},
    {"resume", "let deliveries to a paused site go on",
     "usage: waxwing resume SITE | --all [--json]\n"
     "Exit: 0 it goes on, 1 no such site is paused.\n"
     "  --all   every site that is paused\n"
     "  --json  for programs\n",
     command_resume},
    {"tls", "what failed, what is known of others' policies, what is reported",
     "usage: waxwing tls failures [--domain D] [--host H] [--since AGE|DAY] [--type T] [--result "
     "R]\n"
     "                            [--policy P] [--search WORDS] [--follow | --fleet]\n"
     "       waxwing tls summary [--domain D] [--since AGE|DAY] [--type T] [--fleet]\n"
     "       waxwing tls report --day DAY [--domain D] [--send | --fleet]\n"
     "       waxwing tls reports [--day DAY] [--domain D] [--since AGE|DAY] [--fleet]\n"
     "       waxwing tls policies\n"
     "       waxwing tls exceptions\n"
     "       waxwing tls shadow [--days N]\n"
     "       waxwing tls coming [--days N]\n"
     "       waxwing tls refresh DOMAIN\n"
     "       waxwing tls forget DOMAIN\n"
     "Failures come newest first. A report is the RFC 8460 JSON of each recipient domain;\n"
     "--send sends those of a past day that have not gone out, now. reports lists what went\n"
     "where, and what the collector said.\n"
     "shadow says what enforcing would have refused, and prints the exceptions that would let it "
     "pass.\n"
     "coming says which certificates, records, policies and exceptions will end within days "
     "(14);\n"
     "exit 1 where there are any.\n"
     "refresh fetches the MTA-STS policy; forget drops what the domain's hosts have proved.\n"
     "  --domain D     this domain, or *.D for what is below it\n"
     "  --since WHEN   90s, 2h, 3d ago, or a day, as in 2026-11-21\n"
     "  --type T       a result type of RFC 8460, as in certificate-expired\n"
     "  --host H       this MX host, or *.H\n"
     "  --result R     what became of the delivery: refused, shadow (it would have been), went-on\n"
     "  --policy P     tlsa, sts or no-policy-found\n"
     "  --search WORDS stand somewhere in the failure: names, address, reason\n"
     "  --days N       shadow: so many days back (7); coming: so many ahead (14)\n"
     "  --follow       oldest first, and go on as they happen\n"
     "  --fleet        of all nodes of the fleet, by its database\n"
     "  --state FILE   read this database, ask no relay\n"
     "  --json         for programs\n",
     command_tls},
    {"reload", "read the configuration again", "usage: waxwing reload [--json]\n", command_reload},
    {"drain", "accept no more, deliver what is there, end",
     "usage: waxwing drain [--json]\n"
     "The relay ends when its queue is empty, retries included; held mail stays in the spool.\n",
     command_drain},
    {"sendmail", "hand a message to the relay of this machine, as /usr/sbin/sendmail does",
     "usage: waxwing sendmail [OPTION ...] [RECIPIENT ...] < MESSAGE\n"
     "The user who calls it finds what it may send in the row `unix_user' of `senders'.\n"
     "  -t              recipients stand in To, Cc and Bcc; Bcc is taken out\n"
     "  -f A, -r A      the envelope sender; -f '' is the null sender\n"
     "  -F NAME         the name in a From that is missing or has no name\n"
     "  -i, -oi         a line of a dot alone is no end\n"
     "  -B TYPE         7BIT or 8BITMIME\n"
     "  -N never|success,failure,delay, -R full|hdrs, -V ID   notifications (RFC 3461)\n"
     "  -bs             SMTP on standard input and output\n"
     "  -bp, -bi, -q    as mailq and newaliases: says how things stand here\n"
     "  --socket PATH   of the relay (/run/waxwing/submit.sock)\n"
     "Taken without effect: -A -C -D -G -L -M -O -Q -U -X -bm -d -e -h -m -n -o -p -v -x.\n",
     command_sendmail},
    {"user", "add, change, remove and list who may log in",
     "usage: waxwing user add|passwd NAME [--scram] [--file F]\n"
     "       waxwing user remove NAME [--file F]\n"
     "       waxwing user list [--json] [--file F]\n"
     "The password comes from a prompt, or is a line on standard input; never an argument.\n"
     "  --scram   keep a verifier for SCRAM-SHA-256 instead of a hash\n"
     "  --file F  the users file; without it the one of the configuration\n",
     command_user},
    {"bans", "list and lift the bans of those who failed to log in",
     "usage: waxwing bans list [--json]\n"
     "       waxwing bans lift ADDRESS|USER ... [--json]\n"
     "       waxwing bans lift --all [--json]\n"
     "Exit of lift: 0 lifted, 1 was not banned.\n",
     command_bans},
    {"events", "what was told to applications of their messages, and how they take it",
     "usage: waxwing events list [--since SEQ|AGE|TIME] [--type T] [--id ID] [--limit N] [--json]\n"
     "       waxwing events show SEQ\n"
     "       waxwing events sinks [--json]\n"
     "Oldest first. Where they go, and how they are kept: events and event_log in "
     "waxwing.yaml(5);\n"
     "what stands in one: waxwing-events(7).\n"
     "  --since WHEN  behind the event of that number; or not older: 2h, 3d, 2026-11-21\n"
     "  --type T      delivered, deferred, failed, expired, held, suppressed or returned\n"
     "  --id ID       of one message\n"
     "  --limit N     so many at most\n"
     "  --json        one object a line\n",
     command_events},
    {"suppress", "addresses that get no mail from here",
     "usage: waxwing suppress add ADDRESS|DOMAIN ... [--sender DOMAIN] [--for AGE] [--reason R]\n"
     "       waxwing suppress remove ADDRESS|DOMAIN ... [--sender DOMAIN]\n"
     "       waxwing suppress list [--sender DOMAIN] [--json]\n"
     "       waxwing suppress import FILE|- [--sender DOMAIN] [--for AGE] [--reason R]\n"
     "A recipient that is on the list is refused, or dropped with an event (senders.suppressed).\n"
     "A file has one address or domain a line. Exit of remove: 0 removed, 1 was not there.\n"
     "  --sender DOMAIN  for mail from that domain alone; else for all\n"
     "  --for AGE        until then, as in 30d; else for good\n"
     "  --reason R       what clients are told\n"
     "  --json           one object a line\n",
     command_suppress},
    {"fleet", "several relays that share what they know, on PostgreSQL",
     "usage: waxwing fleet init [--database URI] [--password-file F] [--json]\n"
     "       waxwing fleet status [--json]\n"
     "       waxwing fleet adopt NODE\n"
     "       waxwing fleet evacuate NODE [--to NODE] [--json]\n"
     "       waxwing fleet leave\n"
     "init makes the tables in the database of fleet.database, or brings them to this version, and "
     "lets\n"
     "the nodes' role use them. status shows the nodes, and where their configurations differ; it "
     "asks\n"
     "the running relay, or else the database. With fleet.spool (required or preferred), adopt "
     "takes over the "
     "mail of\n"
     "a node that does not live, evacuate stops one that lives and gives its mail to this one, and "
     "leave\n"
     "ends it for a spool that no relay uses. Exit: 0 done, 1 no such node, or it cannot be done "
     "with\n"
     "it, 75 the database does not answer or it is not through yet, 78 the schema is another "
     "version's,\n"
     "or the configuration is wrong.\n"
     "  --database URI     init: as this user, who owns the tables (postgresql://OWNER@HOST/NAME)\n"
     "  --password-file F  init: with the password that is the first line of F\n"
     "  --to NODE          evacuate: the node that is to have the mail, instead of this one\n"
     "  --json             for programs\n",
     command_fleet},
    {"key", "make signing keys, show and test their DNS records, let them turn",
     "usage: waxwing key new --domain D --selector S --out FILE [--type rsa|ed25519] [--bits "
     "2048]\n"
     "       waxwing key show FILE --domain D --selector S\n"
     "       waxwing key test [FILE --domain D --selector S]\n"
     "       waxwing key rotate --domain D | --auto [--publish-command CMD] [--bits 2048]\n"
     "test compares with the DNS; without FILE every key of the configuration.\n"
     "rotate goes one step: a next key is made, its record is published and seen twice an hour "
     "apart,\n"
     "then it signs; the old record stays for a week, then it goes. Call it again and again, or "
     "let\n"
     "the running relay do it (dkim.rotate). Exit: 0 as it should be, 1 something failed, 75 "
     "later.\n"
     "  --auto               begin a turn only where dkim.rotate.every says so; without --domain "
     "all\n"
     "  --publish-command C  called with add|remove NAME RECORD; else dkim.rotate.publish_command\n"
     "  --now EPOCH          set the clock\n"
     "  --json               for programs\n"
     "  --dns-file F         answer DNS questions from this file\n"
     "  --resolver IP:PORT   ask this server\n",
     command_key},
    {"message", "sign, verify or seal one message",
     "usage: waxwing message verify [OPTION ...] FILE\n"
     "       waxwing message sign --domain D --selector S --key PEM [OPTION ...] FILE\n"
     "       waxwing message seal --domain D --selector S --key PEM --authserv-id ID [OPTION ...] "
     "FILE\n"
     "FILE '-' is standard input.\n"
     "  --dns-file F         answer DNS questions from this file\n"
     "  --resolver IP:PORT   ask this server\n"
     "  --now EPOCH          set the clock\n"
     "verify:\n"
     "  --json               all results; without it one Authentication-Results field\n"
     "  --ip A --helo H --mail-from M   the client and envelope, for SPF\n"
     "  --authserv-id ID     the name that vouches\n"
     "  --min-rsa-bits N     smallest RSA key that counts (1024)\n"
     "sign:\n"
     "  --canon H/B          relaxed/relaxed; simple or relaxed each\n"
     "  --headers a:b:c      fields to sign where present\n"
     "  --oversign a:b       fields of which no further one may be added\n"
     "  --time T, --expire T Unix seconds (0: leave out)\n"
     "  --full               the whole message, not the field alone\n"
     "seal:\n"
     "  --headers a:b:c, --time T, --full as above\n"
     "  --cv-from auto|ar    validate the chain, or take arc= of the newest results\n",
     command_message},
    {"spf", "may this address send mail from this domain?",
     "usage: waxwing spf --ip A --helo H --mail-from M [OPTION ...]\n"
     "Prints the result, and what the domain explains where it fails.\n"
     "  --mail-from \"\"       the null sender: the HELO name is checked\n"
     "  --receiver NAME      who checks, for explanations\n"
     "  --json               for programs, with the reason\n"
     "  --dns-file F         answer DNS questions from this file\n"
     "  --resolver IP:PORT   ask this server\n"
     "  --now EPOCH          set the clock\n",
     command_spf},
    {"srs", "secrets of return addresses (SRS, VERP), and the addresses",
     "usage: waxwing srs key FILE\n"
     "       waxwing srs forward|reverse [OPTION ...] ADDRESS\n"
     "key puts a new secret in front of those in FILE. forward prints what an address is rewritten "
     "to,\n"
     "reverse what an SRS or keyed return path stands for. Exit of these: 0, 1 forged or too old.\n"
     "  --domain D --key-file F   instead of the rows of the configuration\n"
     "  --now EPOCH               set the clock\n",
     command_srs},
    {"sts", "fetch a domain's MTA-STS policy, or evaluate its text",
     "usage: waxwing sts get DOMAIN [OPTION ...]\n"
     "       waxwing sts record < TEXT\n"
     "       waxwing sts policy < TEXT\n"
     "       waxwing sts match HOST PATTERN\n"
     "get fetches now. Exit: 0 a policy, 1 none or not valid, 75 it cannot be had.\n"
     "  --json               for programs\n"
     "  --dns-file F         answer DNS and HTTPS from this file\n"
     "  --resolver IP:PORT   ask this server\n"
     "  --now EPOCH          set the clock\n"
     "record reads TXT records, one a line.\n",
     command_sts},
    {"dane", "match a chain with TLSA records, or look them up",
     "usage: waxwing dane match --chain PEM --host BASE [--alt-name N ...] --tlsa \"3 1 1 HEX\" "
     "...\n"
     "       waxwing dane lookup HOST [--port 25] [--json]\n"
     "  --dns-file F         answer DNS questions from this file\n"
     "  --resolver IP:PORT   ask this server\n"
     "  --now EPOCH          set the clock\n",
     command_dane},
    {"completion", "a script that completes these commands in a shell",
     "usage: waxwing completion bash|zsh\n"
     "  bash: waxwing completion bash > /usr/share/bash-completion/completions/waxwing\n"
     "  zsh:  waxwing completion zsh > /usr/share/zsh/vendor-completions/_waxwing\n",
     command_completion},
    {"trace", "the story of a message: how it came, each attempt, what came of it",
     "usage: waxwing trace ID|ADDRESS|MESSAGE-ID [--fleet] [--full] [--limit N] [--json]\n"
     "Reads the files that the relay keeps (trace in waxwing.yaml(5)); asks no relay. An address\n"
     "is a sender's or a recipient's; where it is in several messages they are listed.\n"
     "  --fleet    ask all nodes of the fleet, which read theirs\n"
     "  --full     every reply whole, every certificate with its digests\n"
     "  --limit N  so many messages at most, the newest (20)\n"
     "  --json     the records, one object a line\n"
     "Exit: 0 told, 1 nothing is known of it, 75 the files or the fleet cannot be asked.\n",
     command_trace},
    {"why", "what a reason of the log means, who must act, and what to do",
     "usage: waxwing why [--json] [NAME]\n"
     "NAME is what the log, a notification or explain calls why=; without one all are listed.\n"
     "Exit: 0, or 1 where there is no such reason.\n"
     "  --json  for programs\n",
     command_why},
    {"version", "print the version", "usage: waxwing version [--json]\n", command_version},
    {NULL, NULL, NULL, NULL},
};

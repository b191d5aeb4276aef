// SPDX-License-Identifier: ISC
// Domain names as the DNS wants them: U-labels become A-labels (RFC 5891, with the mapping of UTS 46,
// non-transitional), ASCII is only checked and folded. The one door to libidn2. Pure.
#ifndef CONFIG_IDN_H
#define CONFIG_IDN_H

#define IDN_NAME 256 // bytes with the NUL; a name is at most 253 octets in text

// `in` is UTF-8, with or without a final dot. Gives lower-case A-labels without final dot. Letters,
// digits, hyphens inside a label and underscores are taken; anything else, an empty label, a label
// over 63 octets or a name over 253 gives -1 and out becomes "".
int idn_to_ascii(const char *in, char out[IDN_NAME]) __attribute__((warn_unused_result));
// The same for what may be no domain at all: out is then "".
void idn_domain(const char *in, char out[IDN_NAME]);

#endif

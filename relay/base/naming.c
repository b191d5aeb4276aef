// SPDX-License-Identifier: ISC
// The name of a thread, as the kernel keeps it.
#include "relay/base/naming.h"

#include <sys/prctl.h>

void naming_thread(const char *name)
{
    (void)prctl(PR_SET_NAME, name); // the kernel cuts what is too long
}

// SPDX-License-Identifier: ISC
// Holds the place until the first source of this folder lands.
typedef int sign_room;

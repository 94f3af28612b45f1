/* What the files of `thiasos key` share. */

#ifndef THSI_TOOLS_KEY_VERBS_H
#define THSI_TOOLS_KEY_VERBS_H

#include "tools/cli.h"

/* The options of all verbs; what was not given is NULL, false or 0. */
struct thsi_key_options {
    const char *socket;                     /* reload */
    const char *name, *roles, *rights;      /* allow, sign */
    bool authority;                         /* allow */
    unsigned days;                          /* sign */
};

extern struct thsi_key_options thsi_key_options;

/* Each runs one verb, whose words are behind it in the command line. Returns an exit status; what is wrong was said. */
int thsi_key_new_node(char **words);      /* FILE */
int thsi_key_new_authority(char **words); /* FILE */
int thsi_key_show(char **words);          /* FILE */
int thsi_key_sign(char **words);          /* AUTHORITY PUBLIC FILE */
int thsi_key_allow(char **words);         /* LIST PUBLIC */
int thsi_key_deny(char **words);          /* LIST PUBLIC */
int thsi_key_revoke(char **words);        /* LIST WHAT */

/* Say in one line that a verb failed. */
int thsi_key_refuse(const char *why);

#endif /* THSI_TOOLS_KEY_VERBS_H */

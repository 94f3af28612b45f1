#!/usr/bin/env bash
# Time, randomness and threads reach the product through its seams alone: nothing else may call the operating system for
# them. Prints every call outside of the four files that stand behind the seams.
set -u
export LC_ALL=C

behind='^(node/base/env_os\.c|node/exec_os\.c|cluster/transport_zmq[a-z_]*\.c|codec/keys\.c):'
calls='clock_gettime|clock_nanosleep|gettimeofday|timespec_get|time|clock|getrandom|getentropy|random|srandom|rand|srand|rand_r|arc4random|drand48|randombytes_buf|randombytes_random|randombytes_uniform|pthread_create|thrd_create|fork|usleep|nanosleep|sleep'

# Comments may speak of them; members (env->random) and other words (now_time) are not calls of these.
found=$(grep -rnE "(^|[^A-Za-z0-9_>.])($calls)[[:space:]]*\(" --include='*.[ch]' node codec cluster |
            grep -vE '^[^:]+:[0-9]+:[[:space:]]*(/?\*|//)' |
            grep -vE "\(\*($calls)\)" |
            grep -vE '^[^:]+:[0-9]+:[^"]*/\*[^"]*\(' |
            grep -vE "^[^:]+:[0-9]+:(static )?[a-z_]+[a-z0-9_ ]* \*?($calls)\(" |
            grep -vE "$behind")
if [ -n "$found" ]; then
    printf '%s\n' "$found" 'these calls belong behind include/thiasos/env.h, node/exec.h or cluster/transport.h'
    exit 1
fi

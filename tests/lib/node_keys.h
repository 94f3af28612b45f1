/* Node keys: a directory of a test's own with keys, certificates, an allow list and a revocation list for its nodes.
 *
 * One for the process. Nodes are numbered from 1; each has the key "key.N", and "cert.N" once it was signed for. */

#ifndef THS_TESTS_LIB_NODE_KEYS_H
#define THS_TESTS_LIB_NODE_KEYS_H

#include "codec/certificate.h"
#include "thiasos/cluster.h"

enum { NODE_KEYS_MAX = 4 };

/* Make the directory and the keys; the lists are not there yet. End with node_keys_end, which removes all. */
void node_keys_begin(void);
void node_keys_end(void);

/* The path of @name in the directory. Lends until NODE_KEYS_PATHS calls later. */
enum { NODE_KEYS_PATHS = 16 };
const char *node_keys_path(const char *name);

/* Public keys as hexadecimal digits; 0: the authority's. Lends. */
const char *node_keys_public(unsigned node);

/* Write the file @name, which may be there: "thiasos-allow 1\n" and the like, and then "node " with the public key for each
 * "%1" to "%4" in @text, "authority " with the authority's for "%a". */
void node_keys_write(const char *name, const char *text);

/* Sign cert.@node by the authority. names and roles of @wanted are given; node is filled in. */
void node_keys_sign(unsigned node, struct thsi_certificate wanted);

/* Fill in the options of @node: its key, the list @allow, and the other two files if they are there now. */
void node_keys_options(unsigned node, const char *allow, struct ths_cluster_options *options);

#endif /* THS_TESTS_LIB_NODE_KEYS_H */

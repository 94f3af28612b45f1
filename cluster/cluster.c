/* Cluster: the composition root. Options become parts, parts become a running cluster half. */

#include "thiasos/cluster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "cluster/buried.h"
#include "cluster/cluster_internal.h"
#include "cluster/root.h"
#include "cluster/transport_zmq.h"
#include "cluster/types_actor.h"
#include "codec/keyring_file.h"

#define DEFAULT_BIND "tcp://127.0.0.1:7400"
#define LEAVE_NS UINT64_C(3000000000)

/* What is gathered on the way to a cluster half. Holds keys: wipe them. */
struct joining {
    struct thsi_runtime *runtime;
    const struct ths_cluster_options *options;
    char *why;
    size_t why_size;
    const char *endpoint;              /* wanted */
    char bound[THSI_SEED_SIZE + 8];    /* got */
    struct thsi_keyring keys;
    struct thsi_credential_files files;
    struct thsi_credential credential;
    struct thsi_trust trust;
    struct thsi_seeds seeds;
    struct thsi_driver_options driver;
};

/* Say what is wrong, to the log and to the caller. Returns @err. */
static enum ths_err THS_PRINTF(3, 4) refuse(const struct joining *joining, enum ths_err err, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (joining->why && joining->why_size > 0)
        (void)snprintf(joining->why, joining->why_size, "%s", text);
    thsi_note(joining->runtime, THS_LOG_ERROR, "cluster", "%s", text);
    return err;
}

/* ---- Options ---------------------------------------------------------------------------- */

static const char *or_variable(const char *given, const char *variable)
{
    return given ? given : getenv(variable);
}

static bool is_given(const char *text)
{
    return text && *text;
}

/* The host of "tcp://HOST:PORT", without brackets; "" when there is none. */
static void host_of(const char *endpoint, char *out, size_t size)
{
    const char *host = strncmp(endpoint, "tcp://", 6) == 0 ? endpoint + 6 : "";
    const char *colon = strrchr(host, ':');
    size_t len = colon ? (size_t)(colon - host) : 0;

    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    (void)snprintf(out, size, "%.*s", (int)(len < size ? len : size - 1), host);
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}

static bool is_any(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "*") == 0 || strcmp(host, "::") == 0 || *host == '\0';
}

static enum ths_err take_key(struct joining *joining)
{
    char host[THSI_SEED_SIZE], why[THSI_KEY_WHY_SIZE];
    enum ths_err err;

    if (is_given(joining->options->key_file)) {
        err = thsi_keyring_load(&joining->keys, joining->options->key_file, why, sizeof why);
        return err == THS_OK ? THS_OK : refuse(joining, err, "%s", why);
    }
    host_of(joining->endpoint, host, sizeof host);
    if (strncmp(joining->endpoint, "tcp://", 6) == 0 && *host && !is_loopback(host))
        return refuse(joining, THS_NO_KEY,
                      "cannot listen on %s: beyond loopback a cluster key is needed, so that only your own nodes can "
                      "join; make one with `thiasos key new FILE` and give it to every node (--key-file FILE, "
                      "THIASOS_KEY_FILE)",
                      joining->endpoint);
    thsi_keyring_none(&joining->keys);
    return THS_OK;
}

static struct thsi_session_limits rekey_limits(const struct ths_cluster_options *options)
{
    struct thsi_session_limits limits = THSI_SESSION_LIMITS_DEFAULT;

    if (options->rekey_ms > 0)
        limits.age_ns = (uint64_t)options->rekey_ms * 1000000;
    if (options->rekey_mib > 0)
        limits.bytes = (uint64_t)options->rekey_mib << 20;
    return limits;
}

/* Copy a text of the identity. */
static enum ths_err take_text(const struct joining *joining, const char *what, const char *text, char *out,
                              size_t size)
{
    if (strlen(text) >= size)
        return refuse(joining, THS_INVALID, "%s is longer than %zu bytes; shorten it", what, size - 1);
    (void)memcpy(out, text, strlen(text) + 1);
    return THS_OK;
}

/* Seeds, roles and scopes: what can be judged before a port is taken. */
static enum ths_err take_texts(struct joining *joining)
{
    const struct ths_cluster_options *options = joining->options;
    struct thsi_identity *self = &joining->driver.self;
    char why[256] = "";
    enum ths_err err = thsi_seeds_init(&joining->seeds, options->seeds, why, sizeof why);

    if (err != THS_OK)
        return refuse(joining, err, "%s", why);
    err = take_text(joining, "the node's name", joining->runtime->name, self->name, sizeof self->name);
    if (err == THS_OK)
        err = take_text(joining, "the list of roles", options->roles ? options->roles : "", self->roles,
                        sizeof self->roles);
    if (err != THS_OK)
        return err;
    err = thsi_group_scopes_parse(options->scopes, self->scopes, sizeof self->scopes);
    if (err != THS_OK)
        return refuse(joining, THS_INVALID,
                      "the list of scopes \"%.80s\" cannot be used: %s; write for example orders,default",
                      options->scopes, ths_err_text(err));
    return THS_OK;
}

/* Behind the texts: the certificate must give them. */
static enum ths_err take_credentials(struct joining *joining)
{
    char why[THSI_KEY_WHY_SIZE] = "";
    enum ths_err err = thsi_credential_files_of(&joining->files, joining->options, why);

    if (err == THS_OK && thsi_credential_files_given(&joining->files)) {
        err = thsi_credentials_load(&joining->files, joining->runtime->env, &joining->driver.self, true,
                                    &joining->credential, &joining->trust, why);
        joining->driver.credential = &joining->credential;
        joining->driver.trust = &joining->trust;
    }
    return err == THS_OK ? THS_OK : refuse(joining, err, "%s", why);
}

static enum ths_err listen_there(struct joining *joining, struct thsi_transport *transport)
{
    enum ths_err err = transport->bind(transport, joining->endpoint, joining->bound, sizeof joining->bound);

    if (err == THS_INVALID)
        return refuse(joining, err,
                      "the address \"%.120s\" is not tcp://HOST:PORT; write for example tcp://0.0.0.0:7400",
                      joining->endpoint);
    if (err != THS_OK)
        return refuse(joining, err,
                      "cannot listen on %s: the port is in use, or the address is none of this machine's; stop the "
                      "other program or choose another with --bind (THIASOS_BIND), port 0 for any free one",
                      joining->endpoint);
    return THS_OK;
}

/* Where others dial this node: as the user says, else the host that was bound, else this machine's name. */
static enum ths_err take_address(struct joining *joining)
{
    const char *given = joining->options->advertise, *port = strrchr(joining->bound, ':');
    char *out = joining->driver.self.address, host[THSI_SEED_SIZE], name[THSI_SEED_SIZE] = "localhost";
    size_t size = sizeof joining->driver.self.address;

    if (is_given(given)) {
        if (thsi_address_parse(given, strlen(given), out, size) == THS_OK)
            return THS_OK;
        return refuse(joining, THS_INVALID,
                      "the address to advertise \"%.120s\" is not HOST or HOST:PORT; write for example node-a:7400",
                      given);
    }
    host_of(joining->endpoint, host, sizeof host);
    if (strcmp(host, "localhost") == 0)
        (void)snprintf(host, sizeof host, "127.0.0.1");
    if (is_any(host)) {
        (void)gethostname(name, sizeof name - 1);
        name[sizeof name - 1] = '\0';
        (void)snprintf(host, sizeof host, "%s", name);
    }
    (void)snprintf(out, size, strchr(host, ':') ? "[%.200s]%s" : "%.200s%s", host, port ? port : "");
    return THS_OK;
}

/* Later than any earlier boot of this node as long as the clock only moves on; where it does not, others say so. */
static uint64_t draw_boot(struct ths_env *env)
{
    uint64_t wall_ms = env->wall_ms(env);

    return (wall_ms / 1000) << 20 | (wall_ms % 1000) << 10;
}

/* ---- Starting and stopping -------------------------------------------------------------- */

static struct thsi_cluster *root_of(struct thsi_runtime *runtime)
{
    return runtime->cluster;
}

/* Before the actors are stopped: commands from outside end; what actors say to others still goes out. */
static void stopping(struct thsi_runtime *runtime)
{
    struct thsi_cluster *cluster = root_of(runtime);

    thsi_control_stop(cluster->control);
    cluster->control = NULL;
}

static void destroy(struct thsi_cluster *cluster, bool with_transport)
{
    struct thsi_runtime *runtime = cluster->runtime;

    runtime->set_router(runtime, NULL);
    runtime->stopping = runtime->stopped = NULL;
    runtime->cluster = NULL;
    thsi_driver_destroy(cluster->driver, with_transport);
    (void)runtime->env->memory(runtime->env, cluster->key_file, 0);
    (void)runtime->env->memory(runtime->env, cluster, 0);
}

/* After all actors have ended: their DOWNs are queued, and leaving queues behind them. */
static void stopped(struct thsi_runtime *runtime)
{
    struct thsi_cluster *cluster = root_of(runtime);

    thsi_buried_stop(runtime);
    thsi_driver_order(cluster->driver, THSI_ORDER_LEAVE);
    (void)thsi_driver_await(cluster->driver, THSI_DRIVER_LEFT, LEAVE_NS);
    destroy(cluster, true);
}

static enum ths_err start_control(struct joining *joining, struct thsi_cluster *cluster)
{
    char why[256] = "";
    enum ths_err err;

    if (!is_given(joining->options->socket))
        return THS_OK;
    err = thsi_control_start(joining->runtime->node, joining->options->socket, &cluster->control, why, sizeof why);
    return err == THS_OK ? THS_OK : refuse(joining, err, "%s", why);
}

/* NULL with *@ok true: there is none. */
static char *copy_path(struct ths_env *env, const char *path, bool *ok)
{
    size_t size = is_given(path) ? strlen(path) + 1 : 0;
    char *copy = size > 0 ? env->memory(env, NULL, size) : NULL;

    if (copy)
        memcpy(copy, path, size);
    *ok = copy || size == 0;
    return copy;
}

static enum ths_err start(struct joining *joining, struct thsi_transport *transport)
{
    struct thsi_runtime *runtime = joining->runtime;
    struct thsi_cluster *cluster = runtime->env->memory(runtime->env, NULL, sizeof *cluster);
    bool copied;
    enum ths_err err;

    if (!cluster)
        return THS_NOMEM;
    memset(cluster, 0, sizeof *cluster);
    cluster->runtime = runtime;
    cluster->files = joining->files;
    (void)snprintf(cluster->endpoint, sizeof cluster->endpoint, "%s", joining->bound);
    cluster->key_file = copy_path(runtime->env, joining->options->key_file, &copied);
    cluster->driver = copied ? thsi_driver_create(runtime, transport, &joining->driver) : NULL;
    if (!cluster->driver) {
        (void)runtime->env->memory(runtime->env, cluster->key_file, 0);
        (void)runtime->env->memory(runtime->env, cluster, 0);
        return THS_NOMEM;
    }
    thsi_router_init(cluster);
    runtime->cluster = cluster;
    runtime->stopping = stopping;
    runtime->stopped = stopped;
    runtime->set_router(runtime, &cluster->router);
    err = thsi_driver_start(cluster->driver);
    if (err == THS_OK)
        err = thsi_types_actor_start(runtime->node);
    if (err == THS_OK)
        err = start_control(joining, cluster);
    if (err != THS_OK)
        destroy(cluster, false);
    return err;
}

static enum ths_err join(struct joining *joining, struct thsi_transport *transport)
{
    const struct ths_cluster_options *options = joining->options;
    struct thsi_driver_options *driver = &joining->driver;
    enum ths_err err;

    if (joining->runtime->cluster)
        return refuse(joining, THS_INVALID, "the node is in a cluster already; a node joins once");
    err = take_key(joining);
    if (err == THS_OK)
        err = take_texts(joining);
    if (err == THS_OK)
        err = take_credentials(joining);
    if (err == THS_OK)
        err = listen_there(joining, transport);
    if (err == THS_OK)
        err = take_address(joining);
    if (err != THS_OK)
        return err;
    driver->self.uid = joining->runtime->uid;
    driver->self.boot = draw_boot(joining->runtime->env);
    driver->cluster = is_given(options->cluster) ? options->cluster : "thiasos";
    driver->keys = &joining->keys;
    driver->rekey = rekey_limits(options);
    driver->seeds = &joining->seeds;
    driver->heartbeat_ms = options->heartbeat_ms;
    driver->suspect_ms = options->suspect_ms;
    driver->bury_ms = options->bury_ms;
    driver->bury_exits = options->bury_exits;
    if (strlen(driver->cluster) > 255 || thsi_identity_check(&driver->self) != THS_OK)
        return refuse(joining, THS_INVALID,
                      "the names of node, cluster, roles or address hold characters that cannot be sent, or are too "
                      "long; use letters, digits, '.', '_' and '-'");
    err = start(joining, transport);
    if (err == THS_OK)
        thsi_note(joining->runtime, THS_LOG_INFO, "cluster", "listening on %s, known to others as %s", joining->bound,
                  driver->self.address);
    else if (err == THS_NOMEM)
        return refuse(joining, err, "memory or threads are out; nothing was started");
    return err;
}

enum ths_err thsi_cluster_join_on(struct ths_node *node, const struct ths_cluster_options *options,
                                  struct thsi_transport *transport, char *why, size_t why_size)
{
    struct joining joining = { .runtime = ths_node_runtime(node), .options = options, .why = why,
                               .why_size = why_size };
    enum ths_err err;

    joining.endpoint = is_given(options->bind) ? options->bind : DEFAULT_BIND;
    if (why && why_size > 0)
        *why = '\0';
    if (sodium_init() < 0)
        return refuse(&joining, THS_IO, "libsodium could not be initialised; check the system's random source");
    err = join(&joining, transport);
    thsi_keyring_wipe(&joining.keys);
    thsi_identity_key_wipe(&joining.credential.key);
    thsi_trust_fini(&joining.trust);
    return err;
}

enum ths_err ths_cluster_join(struct ths_node *node, const struct ths_cluster_options *given, char *why,
                              size_t why_size)
{
    const struct ths_cluster_options none = { 0 };
    struct ths_cluster_options options = given ? *given : none;
    struct joining joining = { .runtime = ths_node_runtime(node), .why = why, .why_size = why_size };
    struct thsi_transport *transport = thsi_transport_zmq_create(joining.runtime->env);
    enum ths_err err;

    if (!transport)
        return refuse(&joining, THS_NOMEM, "memory, threads or descriptors are out; nothing was started");
    options.bind = or_variable(options.bind, "THIASOS_BIND");
    options.advertise = or_variable(options.advertise, "THIASOS_ADVERTISE");
    options.seeds = or_variable(options.seeds, "THIASOS_SEEDS");
    options.key_file = or_variable(options.key_file, "THIASOS_KEY_FILE");
    options.node_key = or_variable(options.node_key, "THIASOS_NODE_KEY");
    options.allow = or_variable(options.allow, "THIASOS_ALLOW");
    options.certificate = or_variable(options.certificate, "THIASOS_CERTIFICATE");
    options.revoked = or_variable(options.revoked, "THIASOS_REVOKED");
    options.cluster = or_variable(options.cluster, "THIASOS_CLUSTER");
    options.roles = or_variable(options.roles, "THIASOS_ROLES");
    options.scopes = or_variable(options.scopes, "THIASOS_SCOPES");
    options.socket = or_variable(options.socket, "THIASOS_SOCKET");
    err = thsi_cluster_join_on(node, &options, transport, why, why_size);
    if (err != THS_OK)
        transport->destroy(transport);
    return err;
}

void ths_cluster_leave(struct ths_node *node)
{
    struct thsi_cluster *cluster = thsi_cluster_of(node);

    if (!cluster)
        return;
    thsi_driver_order(cluster->driver, THSI_ORDER_LEAVE);
    (void)thsi_driver_await(cluster->driver, THSI_DRIVER_LEFT, LEAVE_NS);
}

const char *ths_cluster_endpoint(struct ths_node *node)
{
    struct thsi_cluster *cluster = thsi_cluster_of(node);

    return cluster ? cluster->endpoint : NULL;
}

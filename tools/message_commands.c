/* thiasos tell and ask. The message's type is asked of the target's node, the words of the command line are checked
 * against it here, and only a message that is right leaves. */

#include "tools/cli.h"
#include "tools/control_client.h"
#include "tools/dynamic_type.h"
#include "tools/learn.h"
#include "tools/message_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKUP_MS 10000u /* finding and describing: the node gives up earlier */
#define TEXT_SIZE 512

struct send_options {
    const char *socket;
    unsigned timeout_ms;
    bool json;
};

/* One send on its way through the steps below; each fills in a part. */
struct sending {
    const struct thsi_command *command;
    const struct send_options *options;
    const char *target, *type;
    struct thsi_client client;
    ths_ref to;
    const struct thsi_type_info *info;
    uint8_t *body; /* packed */
    size_t body_len;
};

/* ---- Target and type ------------------------------------------------------------------------------ */

/* The type called @name on the target's node, made here. */
static int learn_type(struct sending *sending, const char *name, uint32_t version, uint64_t fingerprint,
                      const struct thsi_type_info **info)
{
    const struct ths_described *described;
    int status = thsi_learn_description(&sending->client, sending->to, name, version, fingerprint, &described);

    if (status == THSI_EXIT_OK && thsi_dynamic_type(described, info) != THS_OK)
        status = thsi_cli_fail(THSI_EXIT_FAILED, sending->command->name,
                               "message type \"%s\": the node's description of it is not understood; use the command of "
                               "the node's version", name);
    return status;
}

/* ---- The message ---------------------------------------------------------------------------------- */

static int refuse_words(const struct sending *sending, const char *error)
{
    char fields[TEXT_SIZE];

    return thsi_cli_fail(THSI_EXIT_USAGE, sending->command->name, "message %s is wrong: %s; its fields are: %s",
                         sending->info->name, error, thsi_type_fields_text(sending->info, fields, sizeof fields));
}

/* The words, read by the type, packed into sending->body. */
static int pack_words(struct sending *sending, int words_count, char *const *words)
{
    struct thsi_arena arena = { .cap = 8u << 20, .env = ths_env_os() };
    char error[THSI_JSON_ERROR_SIZE] = "";
    struct thsi_packer packer;
    void *msg = NULL;
    json_t *object = thsi_json_from_words(sending->info, words_count, words, error);
    enum ths_err err = object ? THS_OK : THS_INVALID;

    arena.base = malloc(arena.cap);
    sending->body = malloc(THSI_BODY_MAX);
    if (!arena.base || !sending->body)
        err = THS_NOMEM;
    if (err == THS_OK)
        err = thsi_json_to_message(sending->info, object, &arena, &msg, error);
    if (err == THS_OK)
        err = thsi_message_check(sending->info, msg);
    if (err == THS_OK) {
        thsi_packer_init(&packer, sending->body, THSI_BODY_MAX);
        err = thsi_schema_pack(sending->info, msg, &packer);
        sending->body_len = packer.len;
    }
    json_decref(object);
    thsi_arena_release(&arena);
    free(arena.base);
    return err == THS_OK ? THSI_EXIT_OK : refuse_words(sending, *error ? error : ths_err_text(err));
}

/* ---- The reply ------------------------------------------------------------------------------------ */

static bool print_message(const struct thsi_type_info *info, const void *msg)
{
    size_t len = thsi_message_print(info, msg, NULL, 0);
    char *text = malloc(len + 1);

    if (!text)
        return false;
    (void)thsi_message_print(info, msg, text, len + 1);
    (void)puts(text);
    free(text);
    return true;
}

static bool print_message_json(const struct thsi_type_info *info, const void *msg)
{
    json_t *json = json_pack("{s:s, s:o}", "type", info->name, "message", thsi_json_from_message(info, msg));
    bool printed = json && json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 && putchar('\n') != EOF;

    json_decref(json);
    return printed;
}

static int print_body(const struct sending *sending, const struct thsi_type_info *info, const uint8_t *body,
                      size_t body_len)
{
    struct thsi_arena arena = { .cap = thsi_schema_room(info, body_len), .env = ths_env_os() };
    struct thsi_unpacker unpacker;
    void *msg;
    enum ths_err err;

    arena.base = malloc(arena.cap);
    thsi_unpacker_init(&unpacker, body, body_len);
    err = arena.base ? thsi_schema_unpack(info, &unpacker, &arena, &msg) : THS_NOMEM;
    if (err == THS_OK && !(sending->options->json ? print_message_json(info, msg) : print_message(info, msg)))
        err = THS_NOMEM;
    thsi_arena_release(&arena);
    free(arena.base);
    if (err == THS_OK)
        return THSI_EXIT_OK;
    return thsi_cli_fail(THSI_EXIT_FAILED, sending->command->name, "the reply is not printed: %s; look into the log of "
                         "the target's node", ths_err_text(err));
}

/* @sent is lent by the client until its next request, so what is needed of it is copied first. */
static int print_reply(struct sending *sending, const struct control_sent *sent)
{
    char *name = strdup(sent->type);
    uint8_t *body = malloc(sent->body.len + 1);
    size_t body_len = sent->body.len;
    const struct thsi_type_info *info;
    int status = THSI_EXIT_FAILED;

    if (name && body) {
        if (body_len > 0)
            memcpy(body, sent->body.data, body_len);
        status = learn_type(sending, name, sent->version, sent->fingerprint, &info);
        if (status == THSI_EXIT_OK)
            status = print_body(sending, info, body, body_len);
    }
    free(name);
    free(body);
    return status;
}

/* ---- Both commands -------------------------------------------------------------------------------- */

static int send_message(struct sending *sending, bool ask)
{
    struct control_send send = {
        .to = sending->to,
        .type = sending->info->name,
        .version = sending->info->version,
        .fingerprint = sending->info->fingerprint,
        .body = { sending->body, (uint32_t)sending->body_len },
        .ask = ask,
        .timeout_ms = sending->options->timeout_ms,
    };
    const void *answer;
    char what[TEXT_SIZE];
    int status;

    (void)snprintf(what, sizeof what, "%s to %s %s", sending->info->name, sending->target,
                   ask ? "got no reply" : "was not sent");
    status = thsi_client_request(&sending->client, &control_send_type, &send, &control_sent_type,
                                 sending->options->timeout_ms + LOOKUP_MS, what, NULL, &answer);
    return status == THSI_EXIT_OK && ask ? print_reply(sending, answer) : status;
}

static int run(struct sending *sending, int words_count, char **words, bool ask)
{
    int status = thsi_client_open(&sending->client, sending->command->name, sending->options->socket);

    sending->target = words[0];
    sending->type = words[1];
    if (status != THSI_EXIT_OK)
        return status;
    status = thsi_client_find(&sending->client, sending->target, &sending->to);
    if (status == THSI_EXIT_OK)
        status = learn_type(sending, sending->type, 0, 0, &sending->info);
    if (status == THSI_EXIT_OK)
        status = pack_words(sending, words_count - 2, words + 2);
    if (status == THSI_EXIT_OK)
        status = send_message(sending, ask);
    free(sending->body);
    thsi_client_close(&sending->client);
    return thsi_cli_done(status, sending->command->name);
}

#define ABOUT_WORDS                                                                                      \
    "TARGET is NAME (on the node asked), NAME@NODE, or a ref. TYPE is a message type that the target's\n"  \
    "node knows, in full or its last part. Each FIELD=VALUE sets a field: numbers, true or false, text as\n" \
    "it is; bytes are hex digits, refs their text form; lists are JSON (ids=[1,2]) or words with commas\n"   \
    "(ids=1,2). Fields not mentioned are zero, empty or absent. The message is checked before it is sent."

int thsi_tell_command(int argc, char **argv)
{
    struct send_options got = { 0 };
    const struct thsi_option options[] = {
        { "socket", THSI_OPTION_TEXT, &got.socket, 0, 0, "PATH",
          "the node's control socket; needed if several nodes run" },
    };
    const struct thsi_command command = {
        .name = "tell",
        .usage = "[--socket PATH] TARGET TYPE [FIELD=VALUE...]",
        .about = "Send a message to an actor and say whether its mailbox took it.\n\n" ABOUT_WORDS,
        .examples = "  thiasos tell greeter@a greet name=world times=2\n"
                    "  thiasos tell echo say text='two words'",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
        .words_min = 2,
        .words_max = -1,
    };
    struct sending sending = { .command = &command, .options = &got };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    return run(&sending, argc - first, argv + first, false);
}

int thsi_ask_command(int argc, char **argv)
{
    struct send_options got = { .timeout_ms = 5000 };
    const struct thsi_option options[] = {
        { "socket", THSI_OPTION_TEXT, &got.socket, 0, 0, "PATH",
          "the node's control socket; needed if several nodes run" },
        { "timeout", THSI_OPTION_NUMBER, &got.timeout_ms, 1, 600000, "MS",
          "how long the reply may take; default 5000" },
        { "json", THSI_OPTION_FLAG, &got.json, 0, 0, NULL, "print the reply as JSON" },
    };
    const struct thsi_command command = {
        .name = "ask",
        .usage = "[--socket PATH] [--timeout MS] [--json] TARGET TYPE [FIELD=VALUE...]",
        .about = "Send a request to an actor, wait for its reply and print it.\n\n" ABOUT_WORDS,
        .examples = "  thiasos ask echo@a say text=hello\n"
                    "  thiasos ask --json --timeout 500 echo say text=hello",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
        .words_min = 2,
        .words_max = -1,
    };
    struct sending sending = { .command = &command, .options = &got };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    return run(&sending, argc - first, argv + first, true);
}

/* thiasos: actors in C, on one node or many. Include this one; add -lthiasos-cluster to use cluster.h, group.h, sim.h and
 * testkit.h.
 *
 *   message.h     declare messages: THS_MESSAGE
 *   blob.h        payloads that messages share
 *   actor.h       behaviours, spawn, tell, ask, reply, links, monitors
 *   become.h      change the behaviour, states, messages put aside
 *   ask.h         answer later, pass a request on, take an ask back
 *   lifecycle.h   messages that the runtime sends
 *   timer.h       messages to oneself, later
 *   start.h       starts that may fail
 *   stop.h        stop, drain, veto; ends and messages after a time of silence
 *   mailbox.h     what a full mailbox does, urgent messages
 *   memory.h      memory of actors, with a limit
 *   node.h        start and stop a node, wait for actors
 *   sched.h       handlers that take long
 *   supervisor.h  children that are restarted, here or on other nodes
 *   observe.h     what a running node does: counters, its actors, its supervisors
 *   crash.h       records of crashes, quarantine, handlers that return errors
 *   cluster.h     join other nodes; members
 *   group.h       process groups that span nodes
 *   sim.h         a cluster in one thread, on virtual time
 *   testkit.h     actors driven by a test, in the simulator; these two are included by themselves
 *   ref.h reason.h err.h env.h   the values they speak of */

#ifndef THIASOS_THIASOS_H
#define THIASOS_THIASOS_H

#include "thiasos/actor.h"
#include "thiasos/ask.h"
#include "thiasos/become.h"
#include "thiasos/blob.h"
#include "thiasos/cluster.h"
#include "thiasos/crash.h"
#include "thiasos/group.h"
#include "thiasos/lifecycle.h"
#include "thiasos/mailbox.h"
#include "thiasos/memory.h"
#include "thiasos/node.h"
#include "thiasos/observe.h"
#include "thiasos/sched.h"
#include "thiasos/start.h"
#include "thiasos/stop.h"
#include "thiasos/supervisor.h"
#include "thiasos/timer.h"

#define THS_VERSION "0.1.0"

#endif /* THIASOS_THIASOS_H */

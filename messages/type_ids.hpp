#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/atom.hpp>
#include <caf/fwd.hpp>
#include <caf/type_id.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace luna {

enum class model_kind : uint8_t;
enum class attention_mode : uint8_t;
struct real;
struct model_ref;
struct text_token;
struct tokenize_arguments;
struct tokenize_answer;
struct prompt_arguments;
struct token_arguments;
struct vae_tiling;
struct tiling_report;
struct model_description;
struct task_header;
struct task_answer;
struct task_progress;
struct tensor_shape;
struct chunk_grant;
struct tensor_chunk;
struct model_row;
struct loaded_row;
struct pool_row;
struct device_row;
struct cluster_command;
struct acknowledgement;
struct kept_model;
struct unload_report;
struct command_report;
struct cluster_state;
struct event;
struct call_offer;
struct call_answer;
struct node_greeting;
struct node_snapshot;

} // namespace luna

// The vocabulary: every type and every atom that travels in a message, in one block that only ever
// grows at its end, since nodes of two versions must agree on it.

CAF_BEGIN_TYPE_ID_BLOCK(luna, first_custom_type_id)

CAF_ADD_TYPE_ID(luna, (luna::real))
CAF_ADD_TYPE_ID(luna, (luna::model_ref))
CAF_ADD_TYPE_ID(luna, (luna::text_token))
CAF_ADD_TYPE_ID(luna, (luna::tokenize_arguments))
CAF_ADD_TYPE_ID(luna, (luna::tokenize_answer))
CAF_ADD_TYPE_ID(luna, (luna::prompt_arguments))
CAF_ADD_TYPE_ID(luna, (luna::token_arguments))
CAF_ADD_TYPE_ID(luna, (luna::vae_tiling))
CAF_ADD_TYPE_ID(luna, (luna::tiling_report))
CAF_ADD_TYPE_ID(luna, (luna::model_description))
CAF_ADD_TYPE_ID(luna, (luna::task_header))
CAF_ADD_TYPE_ID(luna, (luna::task_answer))
CAF_ADD_TYPE_ID(luna, (luna::task_progress))
CAF_ADD_TYPE_ID(luna, (luna::tensor_shape))
CAF_ADD_TYPE_ID(luna, (luna::chunk_grant))
CAF_ADD_TYPE_ID(luna, (luna::tensor_chunk))
CAF_ADD_TYPE_ID(luna, (luna::model_row))
CAF_ADD_TYPE_ID(luna, (luna::loaded_row))
CAF_ADD_TYPE_ID(luna, (luna::pool_row))
CAF_ADD_TYPE_ID(luna, (luna::device_row))
CAF_ADD_TYPE_ID(luna, (luna::cluster_command))
CAF_ADD_TYPE_ID(luna, (luna::acknowledgement))
CAF_ADD_TYPE_ID(luna, (luna::kept_model))
CAF_ADD_TYPE_ID(luna, (luna::unload_report))
CAF_ADD_TYPE_ID(luna, (luna::command_report))
CAF_ADD_TYPE_ID(luna, (luna::cluster_state))
CAF_ADD_TYPE_ID(luna, (luna::event))
CAF_ADD_TYPE_ID(luna, (luna::model_kind))
CAF_ADD_TYPE_ID(luna, (luna::attention_mode))
CAF_ADD_TYPE_ID(luna, (luna::call_offer))
CAF_ADD_TYPE_ID(luna, (luna::call_answer))
CAF_ADD_TYPE_ID(luna, (luna::node_greeting))
CAF_ADD_TYPE_ID(luna, (luna::node_snapshot))
CAF_ADD_TYPE_ID(luna, (std::vector<std::string>))
CAF_ADD_TYPE_ID(luna, (std::vector<luna::model_kind>))

CAF_ADD_ATOM(luna, luna, run_atom, "run")
CAF_ADD_ATOM(luna, luna, cancel_atom, "cancel")
CAF_ADD_ATOM(luna, luna, reset_atom, "reset")
CAF_ADD_ATOM(luna, luna, status_atom, "status")
CAF_ADD_ATOM(luna, luna, progress_atom, "progress")
CAF_ADD_ATOM(luna, luna, lease_atom, "lease")
CAF_ADD_ATOM(luna, luna, release_atom, "release")
CAF_ADD_ATOM(luna, luna, unload_atom, "unload")
CAF_ADD_ATOM(luna, luna, attention_atom, "attention")
CAF_ADD_ATOM(luna, luna, execute_atom, "execute")
CAF_ADD_ATOM(luna, luna, resolve_atom, "resolve")
CAF_ADD_ATOM(luna, luna, info_atom, "info")
CAF_ADD_ATOM(luna, luna, list_atom, "list")
CAF_ADD_ATOM(luna, luna, find_atom, "find")
CAF_ADD_ATOM(luna, luna, snapshot_atom, "snapshot")
CAF_ADD_ATOM(luna, luna, drop_atom, "drop")
CAF_ADD_ATOM(luna, luna, register_atom, "register")
CAF_ADD_ATOM(luna, luna, open_atom, "openCall")
CAF_ADD_ATOM(luna, luna, chunk_atom, "chunk")
CAF_ADD_ATOM(luna, luna, credit_atom, "credit")
CAF_ADD_ATOM(luna, luna, answer_atom, "answer")
CAF_ADD_ATOM(luna, luna, submit_atom, "submit")
CAF_ADD_ATOM(luna, luna, wait_atom, "waitFor")
CAF_ADD_ATOM(luna, luna, retry_atom, "retry")
CAF_ADD_ATOM(luna, luna, join_atom, "joinNode")
CAF_ADD_ATOM(luna, luna, command_atom, "command")
CAF_ADD_ATOM(luna, luna, control_atom, "control")
CAF_ADD_ATOM(luna, luna, publish_atom, "publishEv")
CAF_ADD_ATOM(luna, luna, subscribe_atom, "subscribe")
CAF_ADD_ATOM(luna, luna, interest_atom, "interest")
CAF_ADD_ATOM(luna, luna, tick_atom, "tick")
CAF_ADD_ATOM(luna, luna, dial_atom, "dial")
CAF_ADD_ATOM(luna, luna, keep_atom, "keep")
CAF_ADD_ATOM(luna, luna, drain_atom, "drain")
CAF_ADD_ATOM(luna, luna, expire_atom, "expire")
CAF_ADD_ATOM(luna, luna, restart_atom, "restart")
CAF_ADD_ATOM(luna, luna, probe_atom, "probe")
CAF_ADD_ATOM(luna, luna, allow_atom, "allow")
CAF_ADD_ATOM(luna, luna, discard_atom, "discard")

CAF_END_TYPE_ID_BLOCK(luna)

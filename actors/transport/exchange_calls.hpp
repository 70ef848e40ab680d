#pragma once

#include "actors/transport/exchange.hpp"
#include "actors/transport/exchange_actor.hpp"
#include "base/result.hpp"

// INTERNAL to the exchange: the two sides of a call. See exchange.hpp.

namespace luna::exchange_calls {

using self_pointer = exchange_actor::stateful_pointer<exchange_state>;
using incoming_key = std::pair<caf::actor_addr, uint64_t>;

/// Chunks that may be on their way in one direction of one call: 4 MiB.
inline constexpr uint32_t window = 8;

/// Another grant follows every so many chunks.
inline constexpr uint32_t grant_step = 2;

/// Puts more leave to what was left.
void add(chunk_grant& left, const chunk_grant& more);

/// How much longer than its deadline a call may live here: the pool's own `timeout` comes first.
inline constexpr std::chrono::milliseconds grace{1000};

/// Watches a peer from its first call on.
void meet(self_pointer self, const exchange_peer_actor& peer);

/// Sees to it that a call ends a moment after its deadline. @returns when.
wake_up::time_point watch_deadline(self_pointer self, uint32_t deadline_ms);

// -- the caller's side ---------------------------------------------------------

caf::typed_response_promise<model_result> call_pool(self_pointer self, const route& to,
                                                    model_task& task);
caf::typed_response_promise<std::string> call_save(self_pointer self, const route& to,
                                                   save_submission& job, uint32_t deadline_ms);
void add_grant(self_pointer self, uint64_t call, const chunk_grant& more);
void take_answer(self_pointer self, call_answer& answer);
void take_reply_chunk(self_pointer self, const tensor_chunk& chunk);

/// Ends a call with an error; `tell_peer`: the other side should stop, too.
void give_up(self_pointer self, uint64_t call, const failure& why, bool tell_peer);

// -- the callee's side ---------------------------------------------------------

caf::result<chunk_grant> accept(self_pointer self, call_offer& offer);
void take_argument_chunk(self_pointer self, const incoming_key& key, const tensor_chunk& chunk);
void add_reply_grant(self_pointer self, const incoming_key& key, const chunk_grant& more);

/// Forgets a call and stops its work.
void drop(self_pointer self, const incoming_key& key);

} // namespace luna::exchange_calls

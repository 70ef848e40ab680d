#pragma once

namespace luna {

/// Signals as luna-node treats them: blocked in every thread and waited for in main, so that no
/// handler ever runs. Call block_signals before the first thread is started.
void block_signals();

enum class signal_kind { stop, hangup, node_stopped };

/// Waits for SIGINT or SIGTERM (`stop`), SIGHUP (`hangup`), or for wake_main (`node_stopped`).
/// SIGUSR1 and SIGUSR2 of other processes are ignored.
signal_kind wait_for_signal();

/// Lets wait_for_signal return `node_stopped`. Any thread.
void wake_main();

} // namespace luna

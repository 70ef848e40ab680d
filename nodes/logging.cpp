#include "nodes/logging.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <string>
#include <unistd.h>
#include <utility>

#include "base/descriptor.hpp"

namespace luna {

namespace {

/// The message as a JSON string.
class json_message : public spdlog::custom_flag_formatter {
public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    std::string text{message.payload.data(), message.payload.size()};
    auto quoted =
      nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    out.append(quoted.data(), quoted.data() + quoted.size());
  }

  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<json_message>();
  }
};

/// A log file that is its owner's alone, and can be opened anew after somebody has moved it away.
/// Prompts and paths of users stand in it. Lines are written at once.
class log_file : public spdlog::sinks::base_sink<std::mutex> {
public:
  explicit log_file(std::string path) : path_(std::move(path)) {}

  /// @returns false with errno; what was open stays open.
  bool open() {
    descriptor opened{::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)};
    if (opened.get() < 0)
      return false;
    std::lock_guard guard{mutex_};
    file_ = std::move(opened);
    return true;
  }

  const std::string& path() const { return path_; }

protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    for (size_t done = 0; done < line.size();) {
      auto n = ::write(file_.get(), line.data() + done, line.size() - done);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return; // a full disk must not end the node
      done += static_cast<size_t>(n);
    }
  }

  void flush_() override {}

private:
  std::string path_;
  descriptor file_;
};

failure cannot_open(const std::string& path) {
  return {
    ec::bad_request, "log.file: " + path + " cannot be opened: " + std::strerror(errno), 0, {}};
}

} // namespace

result<void> start_logging(const log_section& log) {
  std::shared_ptr<spdlog::logger> logger;
  if (log.file.empty()) {
    logger = spdlog::stderr_color_mt("luna");
  } else {
    auto file = std::make_shared<log_file>(log.file);
    if (!file->open())
      return tl::make_unexpected(cannot_open(log.file));
    logger = std::make_shared<spdlog::logger>("luna", std::move(file));
  }
  if (log.format == "json") {
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<json_message>('*').set_pattern(
      R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":%*})");
    logger->set_formatter(std::move(formatter));
  } else {
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%-7l%$ %v");
  }
  logger->set_level(spdlog::level::from_str(log.level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  return {};
}

void reopen_log() {
  constexpr auto no_more = "SIGHUP does nothing else: a changed configuration needs a restart";
  for (auto& sink : spdlog::default_logger()->sinks()) {
    auto file = std::dynamic_pointer_cast<log_file>(sink);
    if (!file)
      spdlog::info("SIGHUP: the log goes to standard error, there is no file to open anew; {}",
                   no_more);
    else if (file->open())
      spdlog::info("the log file was opened anew; {}", no_more);
    else
      spdlog::error("{}; the log goes on in the old file", cannot_open(file->path()).message);
  }
}

} // namespace luna

#include "actors/support/port_owner.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

namespace luna {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view listening = "0A"; // TCP_LISTEN in the kernel's table

/// "socket:[inode]" of whoever listens on the port, from one of the kernel's tables.
void add_sockets(const char* table, uint16_t port, std::set<std::string>& to) {
  std::ifstream lines{table};
  std::string line;
  std::getline(lines, line); // the head
  while (std::getline(lines, line)) {
    std::istringstream words{line};
    std::string number, local, remote, state, queues, timer, retransmits, user, timeout, inode;
    words >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >> timeout
      >> inode;
    auto colon = local.rfind(':');
    unsigned found = 0;
    if (state != listening || colon == local.npos)
      continue;
    std::from_chars(local.data() + colon + 1, local.data() + local.size(), found, 16);
    if (found == port)
      to.insert("socket:[" + inode + "]");
  }
}

bool has_one_of(const fs::path& process, const std::set<std::string>& sockets) {
  std::error_code ignored;
  for (fs::directory_iterator i{process / "fd", ignored}, end; !ignored && i != end;
       i.increment(ignored)) {
    std::error_code gone;
    if (sockets.count(fs::read_symlink(i->path(), gone).string()) > 0)
      return true;
  }
  return false;
}

bool is_number(const std::string& text) {
  return !text.empty()
      && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

} // namespace

std::string port_owner(uint16_t port) {
  std::set<std::string> sockets;
  for (auto* table : {"/proc/net/tcp", "/proc/net/tcp6"})
    add_sockets(table, port, sockets);
  std::error_code ignored;
  if (!sockets.empty())
    for (fs::directory_iterator i{"/proc", ignored}, end; !ignored && i != end;
         i.increment(ignored)) {
      auto process = i->path().filename().string();
      if (!is_number(process) || !has_one_of(i->path(), sockets))
        continue;
      std::string name;
      std::getline(std::ifstream{i->path() / "comm"}, name);
      return (name.empty() ? "a program" : name) + " (process " + process + ")";
    }
  return {};
}

} // namespace luna

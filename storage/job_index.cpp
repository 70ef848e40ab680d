#include "storage/job_index.hpp"

#include <sqlite3.h>

#include <utility>

#include "storage/sqlite_vfs.hpp"

namespace luna::storage {

namespace {

constexpr auto file_names = {"index.db", "index.db-wal", "index.db-journal"};
constexpr int schema_version = 1;

constexpr auto settings = "PRAGMA locking_mode=EXCLUSIVE;"
                          "PRAGMA journal_mode=WAL;"
                          "PRAGMA synchronous=NORMAL;"
                          "PRAGMA temp_store=MEMORY;";

constexpr auto schema = "CREATE TABLE IF NOT EXISTS jobs("
                        "  id TEXT PRIMARY KEY, key TEXT UNIQUE, state INTEGER NOT NULL,"
                        "  created INTEGER NOT NULL, ended INTEGER NOT NULL,"
                        "  segment INTEGER NOT NULL, offset INTEGER NOT NULL,"
                        "  bytes INTEGER NOT NULL) WITHOUT ROWID;"
                        "CREATE INDEX IF NOT EXISTS by_state ON jobs(state, id);"
                        "CREATE INDEX IF NOT EXISTS by_end ON jobs(ended) WHERE state >= 2;"
                        "PRAGMA user_version=1;";

static_assert(static_cast<int>(job_state::done) == 2);

/// A prepared statement; the steps stop at the first error.
class statement {
public:
  statement(sqlite3* db, const char* sql) {
    code_ = sqlite3_prepare_v2(db, sql, -1, &raw_, nullptr);
  }
  ~statement() { sqlite3_finalize(raw_); }
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;

  statement& bind(int64_t value) {
    if (code_ == SQLITE_OK)
      code_ = sqlite3_bind_int64(raw_, ++bound_, value);
    return *this;
  }

  /// An empty text is NULL: keys that are absent do not collide. The text must outlive the steps.
  statement& bind(const std::string& text) {
    if (code_ == SQLITE_OK)
      code_ = text.empty() ? sqlite3_bind_null(raw_, ++bound_)
                           : sqlite3_bind_text(raw_, ++bound_, text.data(),
                                               static_cast<int>(text.size()), SQLITE_STATIC);
    return *this;
  }

  /// True while there is a row.
  bool step() {
    if (code_ != SQLITE_OK && code_ != SQLITE_ROW)
      return false;
    code_ = sqlite3_step(raw_);
    return code_ == SQLITE_ROW;
  }

  /// Runs it to its end and makes it ready for other values.
  bool run() {
    while (step()) {
    }
    auto done = ok();
    sqlite3_reset(raw_);
    bound_ = 0;
    code_ = done ? SQLITE_OK : code_;
    return done;
  }

  bool ok() const { return code_ == SQLITE_DONE || code_ == SQLITE_ROW || code_ == SQLITE_OK; }

  std::string text(int column) const {
    auto data = reinterpret_cast<const char*>(sqlite3_column_text(raw_, column));
    return data ? std::string{data, static_cast<size_t>(sqlite3_column_bytes(raw_, column))}
                : std::string{};
  }

  int64_t number(int column) const { return sqlite3_column_int64(raw_, column); }

private:
  sqlite3_stmt* raw_ = nullptr;
  int code_ = SQLITE_OK;
  int bound_ = 0;
};

} // namespace

struct job_index::impl {
  std::unique_ptr<sqlite_vfs> vfs; ///< none: in memory
  sqlite3* db = nullptr;

  ~impl() { sqlite3_close(db); }

  bool execute(const char* sql) {
    return sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
  }

  failure problem() const {
    return {ec::internal, std::string{"the job index failed: "} + sqlite3_errmsg(db), 0, {}};
  }

  /// Opens the database, checks it and makes its tables. @returns why not, or empty.
  std::string open() {
    auto flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    auto name = vfs ? *file_names.begin() : ":memory:";
    auto code = sqlite3_open_v2(name, &db, flags, vfs ? vfs->name().c_str() : nullptr);
    if (code != SQLITE_OK || !execute(settings))
      return sqlite3_errmsg(db);
    statement version{db, "PRAGMA user_version"};
    if (!version.step())
      return sqlite3_errmsg(db);
    auto known = version.number(0);
    if (known != 0 && known != schema_version)
      return "it has schema " + std::to_string(known);
    statement check{db, "PRAGMA quick_check(1)"};
    if (!check.step())
      return sqlite3_errmsg(db);
    if (check.text(0) != "ok")
      return check.text(0);
    version.run();
    check.run();
    if (!execute(schema))
      return sqlite3_errmsg(db);
    // A table of another make under our name shows when it is used.
    statement columns{db, "SELECT id, key, state, created, ended, segment, offset, bytes FROM jobs "
                          "LIMIT 1"};
    return columns.run() ? std::string{} : sqlite3_errmsg(db);
  }

  result<std::vector<std::string>> ids(statement& query) const {
    std::vector<std::string> found;
    while (query.step())
      found.push_back(query.text(0));
    if (!query.ok())
      return tl::make_unexpected(problem());
    return found;
  }
};

job_index::job_index(std::unique_ptr<impl> x) : impl_(std::move(x)) {}
job_index::job_index(job_index&&) noexcept = default;
job_index& job_index::operator=(job_index&&) noexcept = default;
job_index::~job_index() = default;

result<job_index::opened> job_index::open(std::shared_ptr<directory> folder) {
  std::string why;
  for (int round = 0; round < 2; ++round) {
    auto x = std::make_unique<impl>();
    x->vfs = std::make_unique<sqlite_vfs>(folder);
    auto problem = x->open();
    if (problem.empty())
      return opened{job_index{std::move(x)}, std::move(why), false};
    if (round == 0)
      why = folder->path() + "/index.db: " + problem;
    x.reset();
    for (auto name : file_names)
      static_cast<void>(folder->remove(name));
  }
  auto index = in_memory();
  if (!index)
    return fail(index);
  return opened{std::move(*index), std::move(why), true};
}

result<job_index> job_index::in_memory() {
  auto x = std::make_unique<impl>();
  if (auto problem = x->open(); !problem.empty())
    return fail(ec::internal, "no job index in memory: " + problem);
  return job_index{std::move(x)};
}

result<void> job_index::update(const std::vector<index_row>& rows,
                               const std::vector<std::string>& removed) {
  auto work = [&] {
    statement remove{impl_->db, "DELETE FROM jobs WHERE id = ?"};
    for (auto& id : removed)
      if (!remove.bind(id).run())
        return false;
    statement put{impl_->db, "INSERT OR REPLACE INTO jobs VALUES(?, ?, ?, ?, ?, ?, ?, ?)"};
    for (auto& x : rows)
      if (!put.bind(x.id)
             .bind(x.key)
             .bind(static_cast<int64_t>(x.state))
             .bind(x.created.time_since_epoch().count())
             .bind(x.ended.time_since_epoch().count())
             .bind(static_cast<int64_t>(x.place.segment))
             .bind(static_cast<int64_t>(x.place.offset))
             .bind(static_cast<int64_t>(x.place.bytes))
             .run())
        return false;
    return true;
  };
  if (rows.empty() && removed.empty())
    return {};
  if (impl_->execute("BEGIN") && work() && impl_->execute("COMMIT"))
    return {};
  auto why = impl_->problem();
  impl_->execute("ROLLBACK");
  return tl::make_unexpected(std::move(why));
}

result<std::unordered_map<std::string, log_place>> job_index::places() {
  statement query{impl_->db, "SELECT id, segment, offset, bytes FROM jobs"};
  std::unordered_map<std::string, log_place> found;
  while (query.step())
    found[query.text(0)] = {static_cast<uint64_t>(query.number(1)),
                            static_cast<uint64_t>(query.number(2)),
                            static_cast<uint64_t>(query.number(3))};
  if (!query.ok())
    return tl::make_unexpected(impl_->problem());
  return found;
}

result<std::optional<std::string>> job_index::find_key(const std::string& key) {
  statement query{impl_->db, "SELECT id FROM jobs WHERE key = ?"};
  query.bind(key);
  auto found = impl_->ids(query);
  if (!found)
    return fail(found);
  return found->empty() ? std::nullopt : std::optional{found->front()};
}

result<std::vector<std::string>> job_index::list(std::optional<job_state> state, size_t limit) {
  statement query{impl_->db, state ? "SELECT id FROM jobs WHERE state = ? ORDER BY id DESC LIMIT ?"
                                   : "SELECT id FROM jobs ORDER BY id DESC LIMIT ?"};
  if (state)
    query.bind(static_cast<int64_t>(*state));
  query.bind(static_cast<int64_t>(limit));
  return impl_->ids(query);
}

result<std::vector<std::string>> job_index::ended_before(time_point time, size_t limit,
                                                         bool failed_too) {
  statement query{impl_->db, "SELECT id FROM jobs WHERE state >= 2 AND ended < ? AND state <> ? "
                             "ORDER BY ended, id LIMIT ?"};
  query.bind(time.time_since_epoch().count())
    .bind(failed_too ? -1 : static_cast<int64_t>(job_state::failed))
    .bind(static_cast<int64_t>(limit));
  return impl_->ids(query);
}

} // namespace luna::storage

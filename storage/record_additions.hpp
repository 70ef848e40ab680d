#pragma once

#include "storage/byte_codec.hpp"
#include "storage/job_records.hpp"

// INTERNAL to job_records: what records have at their ends since they were first written. A record
// that needs none of it has the bytes that it always had.

namespace luna::storage {

void put_additions(byte_writer& to, const accepted_record& x);
void put_additions(byte_writer& to, const publishing_record& x);
void put_additions(byte_writer& to, const snapshot_record& x);

/// The rest of the record's bytes.
void get_additions(byte_reader& from, accepted_record& x);
void get_additions(byte_reader& from, publishing_record& x);
void get_additions(byte_reader& from, snapshot_record& x);

} // namespace luna::storage

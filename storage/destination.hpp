#pragma once

#include <vector>

#include "base/result.hpp"
#include "storage/file_system.hpp"
#include "storage/job_types.hpp"

namespace luna::storage {

/// Whether pictures can be written under these names in the folders of this machine, as far as that
/// can be known without writing.
///
/// The problem: a job that can never be written must be refused while the client still holds its
/// pictures. So each folder is looked at once for each job: it exists or can be made below its
/// root, nothing on the way is a file or a link, and the system lets us write there.
///
/// @returns `not_permitted` for an output folder that is not there or may not be written and for a
/// link on the way, `bad_request` for a file where a folder is needed and for a
/// folder that would have to be overwritten. Never `unavailable`: nothing was accepted.
result<void> check_destination(file_system& files, const std::vector<name_request>& names);

/// The same of an object store, whose keys are bounded: `bad_request`. @pre roots are filled in.
result<void> check_object_keys(const std::vector<name_request>& names);

} // namespace luna::storage

#pragma once

#include <string>
#include <vector>

#include "tls/certificate.hpp"

namespace luna::tls {

/// Why a certificate of the other side is refused. @param error as X509_V_ERR_...
/// @param depth 0: the node's own certificate; above: one of an authority.
std::string explain_refusal(int error, int depth, const certificate_facts& certificate,
                            const std::vector<std::string>& expected, time_point now);

/// What an error of OpenSSL's queue says of the connection. Alerts of the other side are read
/// against this node's own certificate.
std::string explain_error(unsigned long error, const certificate_facts& own, time_point now);

/// A sentence of the above without what the clock said: the same for the same problem.
std::string without_clock(const std::string& problem);

} // namespace luna::tls

#pragma once

#include <chrono>
#include <string>
#include <vector>

struct x509_st; // OpenSSL's X509

namespace luna::tls {

using time_point = std::chrono::system_clock::time_point;

/// What a certificate says of itself, as text that may stand in a log: whoever wrote it may be a
/// stranger, so control characters are masked and long texts are cut.
struct certificate_facts {
  std::string subject;            ///< "CN=beta,O=studio"
  std::string issuer;             ///< likewise
  std::vector<std::string> names; ///< DNS names and addresses of subjectAltName
  time_point not_before;
  time_point not_after;
};

certificate_facts facts_of(const x509_st& certificate);

/// Whether the subjectAltName has this node's name: exactly, as a DNS name. Neither wildcards nor
/// the common name count.
bool carries_name(const x509_st& certificate, const std::string& node);

/// "CN=beta, issued by CN=studio CA, valid from 2026-01-01 00:00:00 UTC to 2027-01-01 00:00:00
/// UTC"
std::string describe(const certificate_facts& facts);

/// "beta, 10.0.0.2", or "no name at all".
std::string names_of(const certificate_facts& facts);

/// "2026-01-01 00:00:00 UTC"
std::string to_text(time_point when);

/// What is wrong with it at that moment: "it has expired", "it is not valid yet", or "".
std::string date_problem(const certificate_facts& facts, time_point now);

} // namespace luna::tls

#include "tls/certificate.hpp"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <ctime>
#include <memory>

namespace luna::tls {

namespace {

constexpr size_t max_text = 200;
constexpr size_t max_names = 16;

/// Printable ASCII stays; the rest is masked.
std::string clean(std::string text) {
  std::replace_if(text.begin(), text.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  if (text.size() > max_text)
    text.replace(max_text - 3, std::string::npos, "...");
  return text;
}

std::string text_of(const X509_NAME* name) {
  std::unique_ptr<BIO, decltype(&BIO_free)> out{BIO_new(BIO_s_mem()), &BIO_free};
  if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0)
    return "?";
  char* data = nullptr;
  auto size = BIO_get_mem_data(out.get(), &data);
  auto text = clean({data, static_cast<size_t>(std::max(size, 0L))});
  return text.empty() ? "no name" : text;
}

time_point time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1)
    return {};
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

std::string text_of(const ASN1_OCTET_STRING* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  auto family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
  if (family == AF_INET6 && ASN1_STRING_length(address) != 16)
    return "?";
  ::inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size());
  return text.data();
}

std::vector<std::string> names_in(const X509& certificate) {
  std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> all{
    static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)),
    &GENERAL_NAMES_free};
  std::vector<std::string> names;
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()) && names.size() < max_names; ++i) {
    auto* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type == GEN_DNS)
      names.push_back(clean({reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                             static_cast<size_t>(ASN1_STRING_length(name->d.dNSName))}));
    else if (name->type == GEN_IPADD)
      names.push_back(text_of(name->d.iPAddress));
  }
  return names;
}

} // namespace

certificate_facts facts_of(const X509& certificate) {
  return {text_of(X509_get_subject_name(&certificate)), text_of(X509_get_issuer_name(&certificate)),
          names_in(certificate), time_of(X509_get0_notBefore(&certificate)),
          time_of(X509_get0_notAfter(&certificate))};
}

bool carries_name(const X509& certificate, const std::string& node) {
  return X509_check_host(const_cast<X509*>(&certificate), node.data(), node.size(),
                         X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS,
                         nullptr)
      == 1;
}

std::string describe(const certificate_facts& facts) {
  return facts.subject + ", issued by " + facts.issuer + ", valid from " + to_text(facts.not_before)
       + " to " + to_text(facts.not_after);
}

std::string names_of(const certificate_facts& facts) {
  std::string text;
  for (auto& name : facts.names)
    text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "no name at all" : text;
}

std::string to_text(time_point when) {
  auto seconds = std::chrono::system_clock::to_time_t(when);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text.data();
}

std::string date_problem(const certificate_facts& facts, time_point now) {
  if (now > facts.not_after)
    return "it has expired";
  if (now < facts.not_before)
    return "it is not valid yet";
  return "";
}

} // namespace luna::tls

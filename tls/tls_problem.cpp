#include "tls/tls_problem.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <string_view>

namespace luna::tls {

namespace {

std::string either_of(const std::vector<std::string>& names) {
  std::string text;
  for (auto& name : names)
    text += (text.empty() ? "" : " or ") + name;
  return text;
}

constexpr std::string_view clock_words = "; this machine's clock says ";

std::string clock(time_point now) {
  return std::string{clock_words} + to_text(now);
}

/// What this node can see in its own certificate after the other side has sent `alert`.
std::string look_at_own(int alert, const certificate_facts& own, time_point now) {
  if (auto problem = date_problem(own, now); !problem.empty())
    return problem + clock(now);
  switch (alert) {
  case SSL_AD_CERTIFICATE_EXPIRED:
    return "by this machine's clock it is valid, so one of the two clocks is wrong" + clock(now);
  case SSL_AD_UNKNOWN_CA:
    return "the other node does not know its issuer: cluster.tls.ca must hold the same authority "
           "on all nodes";
  case SSL_AD_BAD_CERTIFICATE:
    return "its names are " + names_of(own)
         + "; the other node expects another name, or its clock is behind this one" + clock(now);
  case SSL_AD_UNSUPPORTED_CERTIFICATE:
    return "it is not made for nodes: extendedKeyUsage needs serverAuth and clientAuth, or is "
           "left out";
  default:
    return "nothing is wrong with it that could be seen here";
  }
}

std::string explain_alert(int alert, const certificate_facts& own, time_point now) {
  auto text = std::string{SSL_alert_desc_string_long(alert)};
  switch (alert) {
  case SSL_AD_BAD_CERTIFICATE:
  case SSL_AD_UNSUPPORTED_CERTIFICATE:
  case SSL_AD_CERTIFICATE_REVOKED:
  case SSL_AD_CERTIFICATE_EXPIRED:
  case SSL_AD_CERTIFICATE_UNKNOWN:
  case SSL_AD_UNKNOWN_CA:
  case SSL_AD_ACCESS_DENIED:
    return "it refuses this node's certificate (TLS alert \"" + text + "\"): " + describe(own)
         + ": " + look_at_own(alert, own, now);
  default:
    return "it ended the handshake with the TLS alert \"" + text + "\"";
  }
}

} // namespace

std::string without_clock(const std::string& problem) {
  return problem.substr(0, problem.find(clock_words));
}

std::string explain_refusal(int error, int depth, const certificate_facts& certificate,
                            const std::vector<std::string>& expected, time_point now) {
  auto about = (depth == 0 ? std::string{"its certificate "} : "its authority's certificate ") + "("
             + describe(certificate) + ") ";
  switch (error) {
  case X509_V_ERR_CERT_HAS_EXPIRED:
    return about + "has expired" + clock(now);
  case X509_V_ERR_CERT_NOT_YET_VALID:
    return about + "is not valid yet" + clock(now);
  case X509_V_ERR_HOSTNAME_MISMATCH:
    return about + "carries " + names_of(certificate) + ", but not the name " + either_of(expected)
         + ": subjectAltName needs DNS: and the node's name";
  case X509_V_ERR_INVALID_PURPOSE:
    return about
         + "is not made for nodes: extendedKeyUsage needs serverAuth and clientAuth, or is left "
           "out";
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
  case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
  case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    return about + "is not of an authority in this node's cluster.tls.ca";
  default:
    return about + "is refused: " + X509_verify_cert_error_string(error);
  }
}

std::string explain_error(unsigned long error, const certificate_facts& own, time_point now) {
  auto reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET
      && reason < SSL_AD_REASON_OFFSET + 256)
    return explain_alert(reason - SSL_AD_REASON_OFFSET, own, now);
  switch (reason) {
  case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    return "it shows no certificate";
  case SSL_R_HTTP_REQUEST:
  case SSL_R_HTTPS_PROXY_REQUEST:
    return "it speaks HTTP; this is a port between nodes, clients go to a gateway";
  case SSL_R_WRONG_VERSION_NUMBER:
  case SSL_R_UNKNOWN_PROTOCOL:
  case SSL_R_RECORD_LENGTH_MISMATCH:
  case SSL_R_PACKET_LENGTH_TOO_LONG:
    return "it does not speak TLS; if it is a node, its cluster.tls is not set";
  case SSL_R_UNSUPPORTED_PROTOCOL:
    return "it speaks no TLS 1.3";
  case SSL_R_UNEXPECTED_EOF_WHILE_READING:
    return "it hung up without a word";
  default: {
    auto* text = ERR_reason_error_string(error);
    return std::string{"TLS failed: "} + (text ? text : "no reason given");
  }
  }
}

} // namespace luna::tls

import java.io.FileInputStream;
import java.security.cert.*;
import java.security.cert.PKIXRevocationChecker.Option;
import java.util.*;

/** Says of each certificate what Java's path validation says of it, by OCSP alone and by CRL alone: root, issuer, certificates. */
class Validate {
  public static void main(String[] files) throws Exception {
    var factory = CertificateFactory.getInstance("X.509");
    var certificates = new ArrayList<X509Certificate>();
    for (var file : files) try (var in = new FileInputStream(file)) {
      certificates.add((X509Certificate) factory.generateCertificate(in));
    }
    for (var leaf : certificates.subList(2, certificates.size()))
      for (var crl : List.of(false, true)) {
        var validator = CertPathValidator.getInstance("PKIX");
        var revocation = (PKIXRevocationChecker) validator.getRevocationChecker();
        revocation.setOptions(EnumSet.of(Option.NO_FALLBACK, crl ? Option.PREFER_CRLS : Option.ONLY_END_ENTITY));
        var parameters = new PKIXParameters(Set.of(new TrustAnchor(certificates.get(0), null)));
        parameters.addCertPathChecker(revocation);
        String verdict;
        try {
          validator.validate(factory.generateCertPath(List.of(leaf, certificates.get(1))), parameters);
          verdict = "GOOD";
        } catch (CertPathValidatorException error) {
          verdict = error.getReason() + (error.getReason() == CertPathValidatorException.BasicReason.REVOKED ? "" : " " + error.getMessage());
        }
        System.out.println((crl ? "crl " : "ocsp ") + verdict);
      }
  }
}

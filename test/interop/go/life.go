// The life of an account and its certificates by Go's own client (golang.org/x/crypto): acme, autocert and ocsp. Says in a line each what it met.
//
// Arguments: directory, root, folder of http-01 challenges, folder of TXT records, port of tls-alpn-01
package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/crypto/ocsp"
)

var ctx = context.Background()

func must[T any](value T, err error) T {
	done(err)
	return value
}

func done(err error) {
	if err != nil {
		panic(err)
	}
}

func newKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func main() {
	directory, root, challenges, zone, port := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(must(os.ReadFile(root)))
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}

	client := &acme.Client{Key: newKey(), DirectoryURL: directory, HTTPClient: trusting}
	account := must(client.Register(ctx, &acme.Account{Contact: []string{"mailto:ops@example.com"}}, acme.AcceptTOS))
	_, err := client.Register(ctx, account, acme.AcceptTOS)
	fmt.Println("registered twice:", err)
	account.Contact = []string{"mailto:new@example.com"}
	fmt.Println("contact:", must(client.UpdateReg(ctx, account)).Contact)

	names := []string{"go1.localhost", "*.go.example.test"}
	order := must(client.AuthorizeOrder(ctx, acme.DomainIDs(names...)))
	for _, url := range order.AuthzURLs {
		prove(client, must(client.GetAuthorization(ctx, url)), challenges, zone)
	}
	must(client.WaitOrder(ctx, order.URI))
	key := newKey()
	csr := must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: names}, key))
	chain, url, err := client.CreateOrderCert(ctx, order.FinalizeURL, csr, true)
	done(err)
	fmt.Println("alternates:", len(must(client.ListCertAlternates(ctx, url))))
	leaf, issuer := must(x509.ParseCertificate(chain[0])), must(x509.ParseCertificate(chain[1]))
	fmt.Println("issued:", leaf.DNSNames, status(leaf, issuer))

	done(client.AccountKeyRollover(ctx, newKey()))
	// Of a certificate that is revoked already it says nothing.
	for range []int{1, 2} {
		done(client.RevokeCert(ctx, nil, chain[0], acme.CRLReasonSuperseded))
	}
	fmt.Println("revoked:", status(leaf, issuer))

	order = must(client.AuthorizeOrder(ctx, acme.DomainIDs("go2.localhost")))
	done(client.RevokeAuthorization(ctx, order.AuthzURLs[0]))
	_, err = client.WaitOrder(ctx, order.URI)
	fmt.Println("given up:", err)
	_, err = client.AuthorizeOrder(ctx, acme.DomainIDs("a_b.localhost"))
	fmt.Println("refused:", err)

	serve(directory, trusting, roots, port)
	done(client.DeactivateReg(ctx))
	_, err = client.AuthorizeOrder(ctx, acme.DomainIDs("go1.localhost"))
	fmt.Println("deactivated:", err)
}

func prove(client *acme.Client, authorization *acme.Authorization, challenges, zone string) {
	wanted := map[bool]string{false: "http-01", true: "dns-01"}[authorization.Wildcard]
	for _, challenge := range authorization.Challenges {
		if challenge.Type != wanted {
			continue
		}
		file, proof := filepath.Join(challenges, challenge.Token), ""
		if authorization.Wildcard {
			file, proof = filepath.Join(zone, "_acme-challenge."+authorization.Identifier.Value), must(client.DNS01ChallengeRecord(challenge.Token))
		} else {
			proof = must(client.HTTP01ChallengeResponse(challenge.Token))
		}
		done(os.WriteFile(file, []byte(proof), 0o644))
		must(client.Accept(ctx, challenge))
		must(client.WaitAuthorization(ctx, authorization.URI))
	}
}

func status(leaf, issuer *x509.Certificate) string {
	question := must(ocsp.CreateRequest(leaf, issuer, nil))
	answer := must(http.Post(leaf.OCSPServer[0], "application/ocsp-request", bytes.NewReader(question)))
	said := must(ocsp.ParseResponseForCert(must(io.ReadAll(answer.Body)), leaf, issuer))
	return map[int]string{ocsp.Good: "good", ocsp.Revoked: "revoked"}[said.Status]
}

// A server that gets its certificate with the first handshake, by tls-alpn-01 on its own listener.
func serve(directory string, trusting *http.Client, roots *x509.CertPool, port string) {
	manager := &autocert.Manager{
		Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist("auto.localhost"), Email: "ops@example.com",
		Client: &acme.Client{DirectoryURL: directory, HTTPClient: trusting},
	}
	listener := must(tls.Listen("tcp", net.JoinHostPort("127.0.0.1", port), manager.TLSConfig()))
	go http.Serve(listener, http.NotFoundHandler())
	connection := must(tls.Dial("tcp", listener.Addr().String(), &tls.Config{ServerName: "auto.localhost", RootCAs: roots}))
	fmt.Println("autocert:", connection.ConnectionState().PeerCertificates[0].DNSNames)
	done(listener.Close())
}

package console

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// opensesame is the bcrypt hash of that word, at the lowest cost.
const opensesame = "$2a$04$646RRJ.2fYhNz8ysTsDYjuXQadK7k85g8eFlIOZ2xWGj66HAnCi5O"

// authority signs the certificates of one test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// sign writes NAME.crt and NAME.key.
func (a *authority) sign(name string, tmpl *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	tmpl.SerialNumber = big.NewInt(int64(len(name)))
	tmpl.Subject = pkix.Name{CommonName: name}
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := tmpl, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	a.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) write(name string, b []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// client trusts the authority and shows the certificate NAME, if one is named.
func (a *authority) client(name string) *http.Client {
	a.t.Helper()
	cfg := &tls.Config{RootCAs: x509.NewCertPool()}
	cfg.RootCAs.AddCert(a.cert)
	if name != "" {
		pair, err := tls.LoadX509KeyPair(filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key"))
		if err != nil {
			a.t.Fatal(err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	tr := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	a.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func (a *authority) server() {
	a.sign("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
}

func TestTLSAndBasicAuth(t *testing.T) {
	a := newAuthority(t)
	a.server()
	opts := options()
	opts.TelemetryAddress = "127.0.0.1:0"
	opts.WebConfigFile = a.write("web.yml", []byte(`
tls_server_config: {cert_file: server.crt, key_file: server.key}
basic_auth_users: {admin: `+opensesame+`}
`))
	c := run(t, opts)
	client := a.client("")
	const admin = "Authorization: Basic YWRtaW46b3BlbnNlc2FtZQ=="
	const wrong = "Authorization: Basic YWRtaW46Z3Vlc3M="
	base := "https://" + c.Addr()

	wantAnswer(t, ask(t, client, "GET", base+"/api/v1/status", admin), 200, `"version"`)
	wantAnswer(t, ask(t, client, "POST", base+"/-/reload", admin), 200, "configuration loaded")
	wantAnswer(t, ask(t, client, "POST", base+"/-/reload", admin, "Origin: https://evil.com"), 403, "another site")
	wantAnswer(t, ask(t, client, "GET", base+"/api/v1/status", wrong), 401, "")
	// Behind a password health is too: probes belong on the other door, which has none.
	wantAnswer(t, ask(t, client, "GET", base+"/-/ready"), 401, "")
	wantAnswer(t, ask(t, http.DefaultClient, "GET", "http://"+c.TelemetryAddr()+"/-/ready"), 200, "ready")
}

// A door that takes certificates without insisting on them opens for those who show one.
func TestClientCertificates(t *testing.T) {
	a := newAuthority(t)
	a.server()
	a.sign("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	opts := options()
	opts.WebConfigFile = a.write("web.yml", []byte(`
tls_server_config: {cert_file: server.crt, key_file: server.key, client_ca_file: ca.crt, client_auth_type: VerifyClientCertIfGiven}
`))
	external, _ := parseExternalURL("")
	l, err := listen("127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	// As if the address were one of the network.
	c := newConsole(opts, external, false)
	c.main = c.newDoor(l, c.mainHandler(), opts.WebConfigFile)
	serve(t, c)

	base := "https://" + c.Addr()
	wantAnswer(t, ask(t, a.client("client"), "GET", base+"/api/v1/status"), 200, `"version"`)
	wantAnswer(t, ask(t, a.client(""), "GET", base+"/api/v1/status"), 403, "--web.config.file")
	wantAnswer(t, ask(t, a.client(""), "GET", base+"/-/healthy"), 200, "healthy")
}

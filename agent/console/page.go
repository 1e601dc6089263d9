package console

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"time"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// moment is a time to be told relative to that of the page.
type moment struct{ Now, At time.Time }

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"css":      func() template.CSS { return template.CSS(pageCSS) },
	"bytes":    Bytes,
	"int64":    func(n int) int64 { return int64(n) },
	"duration": func(seconds float64) string { return Duration(time.Duration(seconds * float64(time.Second))) },
	"ago":      Age,
	"at":       func(now, t time.Time) moment { return moment{Now: now, At: t} },
	"since":    func(now, t time.Time) float64 { return now.Sub(t).Seconds() },
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
}).Parse(pageHTML))

// pagePolicy lets the page have its own style sheet, by its hash, and forms that lead back
// here. There is no script.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return strictPolicy + "; form-action 'self'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// page shows the state of the sidecar to people.
func (c *Console) page(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, c.currentStatus()); err != nil {
		panic("BUG: " + err.Error())
	}
	w.Header().Set("Content-Security-Policy", pagePolicy)
	writeBytes(w, http.StatusOK, "text/html; charset=utf-8", b.Bytes())
}

package config

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	promconfig "github.com/prometheus/common/config"
)

// fileRef is a file that a value names.
type fileRef struct {
	path path
	file string
}

// namesFile says whether a key of the HTTP client block holds the path of a file.
func (p path) namesFile() bool {
	return len(p) > 0 && strings.HasSuffix(p[len(p)-1], "_file") || p.matches([]string{"http_headers", "*", "files", "[]"})
}

// missing warns of files that cannot be read now. It is no more than a warning: a secret may
// be mounted later, and a check may run on another machine than the sidecar.
func (r *report) missing(dir string) {
	for _, ref := range r.files {
		if ref.file == "" {
			continue
		}
		name := promconfig.JoinDir(dir, ref.file)
		f, err := os.Open(name)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			if pe, ok := errors.AsType[*fs.PathError](err); ok {
				err = pe.Err
			}
			r.warnf(ref.path, "%s cannot be read at present: %v", name, err)
		}
	}
}

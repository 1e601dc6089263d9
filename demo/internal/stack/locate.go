package stack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Wanted is a program that a test needs.
type Wanted struct {
	Env   string  // the environment variable that may name it
	Path  *string // where its path goes
	Build func(context.Context) (string, error)
}

// Locate finds the programs that the environment names, and builds the others.
func Locate(ctx context.Context, wanted []Wanted) error {
	for _, w := range wanted {
		path := os.Getenv(w.Env)
		if path == "" {
			fmt.Fprintf(os.Stderr, "building what %s does not name\n", w.Env)
			var err error
			if path, err = w.Build(ctx); err != nil {
				return err
			}
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%s: %w", w.Env, err)
		}
		*w.Path = path
	}
	return nil
}

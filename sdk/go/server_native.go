//go:build !wasm

package hook

import (
	"errors"
	"time"
)

// Where there is no server, e.g. under `go test`, a Fake takes its place.

// Fake is a server for tests, and what it was told.
type Fake struct {
	Config  map[string]string
	Secrets map[string]string
	Logged  []string
	Stored  map[string][]byte
	Counted map[string]int64
}

var fake = &Fake{}

// Use makes this the server of the test.
func (f *Fake) Use() { fake = f }

func Config(key string) string { return fake.Config[key] }

func ConfigJSON() string { return fake.Config["json"] }

func Secret(name string) (string, error) {
	if value, present := fake.Secrets[name]; present {
		return value, nil
	}
	return "", NotGranted{"secret:" + name}
}

func Log(level Level, message string, fields ...string) { fake.Logged = append(fake.Logged, message) }

func Load(key string) ([]byte, error) { return fake.Stored[key], nil }

func Store(key string, value []byte, life time.Duration) error {
	if fake.Stored == nil {
		fake.Stored = map[string][]byte{}
	}
	fake.Stored[key] = value
	return nil
}

func Forget(key string) error {
	delete(fake.Stored, key)
	return nil
}

func Increment(key string, by int64, life time.Duration) (int64, error) {
	if fake.Counted == nil {
		fake.Counted = map[string]int64{}
	}
	fake.Counted[key] += by
	return fake.Counted[key], nil
}

// FakeLoginAttempt is an attempt by password, or by key if there is no password. Embed it in a type of your own to
// change more of it. `PasswordMatches` says yes to the hash "hash of " + the password.
type FakeLoginAttempt struct {
	LoginAttempt
	Name, Secret string
}

func (f FakeLoginAttempt) Username() string { return f.Name }

func (f FakeLoginAttempt) Method() LoginMethod {
	if f.Secret == "" {
		return PublicKey
	}
	return Password
}

func (f FakeLoginAttempt) Password() (string, error) {
	if f.Secret == "" {
		return "", ErrAbsent
	}
	return f.Secret, nil
}

func (f FakeLoginAttempt) PasswordMatches(hash string) (bool, error) {
	password, err := f.Password()
	return hash == "hash of "+password, err
}

// FakeDraft keeps what was set.
type FakeDraft struct {
	AccountDraft
	Username, HomeDirectory, Document string
	Permissions                       map[string][]string
}

func NewAccountDraft(username string) AccountDraft {
	return &FakeDraft{Username: username, Permissions: map[string][]string{}}
}

func AccountDraftOf(existing Account) AccountDraft { return NewAccountDraft(existing.Username()) }

func AccountDraftFromJSON(document string) (AccountDraft, error) {
	if document == "" {
		return nil, errors.New("the document is empty")
	}
	return &FakeDraft{Document: document}, nil
}

func (f *FakeDraft) SetHomeDirectory(path string) error {
	f.HomeDirectory = path
	return nil
}

func (f *FakeDraft) SetPermissions(path string, permissions []string) error {
	f.Permissions[path] = permissions
	return nil
}

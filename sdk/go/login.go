package hook

// LoginAttempt is one try of one method by one client.
type LoginAttempt interface {
	Connection() Connection
	// As the client sent it; untrusted.
	Username() string
	Method() LoginMethod
	// What the client already passed in this login, for accounts that
	// need several methods.
	CompletedMethods() []LoginMethod
	// The account as stored, if there is one.
	StoredAccount() Account
	// The password in clear. Needs the permission `credentials`; every use
	// is recorded in the audit trail.
	Password() (string, error)
	// Whether a hash, in any format the server knows, is one of the password
	// that the client sent. The host compares, so that the guest needs neither
	// the password nor a permission, and cannot be made to burn its CPU budget.
	PasswordMatches(hash string) (bool, error)
	// The public key, in the one-line OpenSSH format. The client may only have
	// offered it: what the guest returns takes effect after the host has verified
	// the signature.
	PublicKey() (string, error)
	// `SHA256:…` of the public key.
	PublicKeyFingerprint() (string, error)
	// The certificate that carried the key, in the one-line OpenSSH format.
	Certificate() (string, error)
}

// Node has this as a value only; code that runs on both sides names the type.
type CryptoKey = import("node:crypto").webcrypto.CryptoKey;

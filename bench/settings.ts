// What both sides of a measurement know: the Workers and those who ask them.

export const SECRET = "bench-webhook-secret-of-forty-characters-";
export const OPERATOR_KEY = "bench-api-key-with-operator-rights";
export const OPERATOR = { Authorization: `Bearer ${OPERATOR_KEY}` } as const;
export const ADMIN = { email: "operator@osa.localhost", password: "bench-password" } as const;

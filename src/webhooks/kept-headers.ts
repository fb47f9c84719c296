// The headers of a request as they may be kept: no credentials, and no more of them than anybody needs.
import type { Headers as KeptHeaders } from "../sync/delivery.ts";

const MAX_HEADERS = 64;
const MAX_VALUE_CHARACTERS = 1024;
const MASK = "(masked)";
/** Whatever lets its bearer in somewhere. A signature lets in nothing but the body it was made for. */
const CREDENTIAL =
  /^(authorization|proxy-authorization|cookie|set-cookie)$|token|secret|password|api-?key|credential|jwt/;

/** In the order of their names, as the runtime has them. */
export function keepHeaders(headers: Headers): KeptHeaders {
  return [...headers]
    .slice(0, MAX_HEADERS)
    .map(([name, value]) => [name, CREDENTIAL.test(name) ? MASK : value.slice(0, MAX_VALUE_CHARACTERS)] as const);
}

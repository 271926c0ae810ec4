// Requests to our own server: JSON, the session's cookie, and its CSRF token on whatever changes something.

export class Failure extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly remedy: string,
    readonly body: Record<string, unknown>,
  ) {
    super(detail || code);
  }
}

/** A request is given up after so many milliseconds: on a network that lets nothing through a button would wait for ever. */
const ANSWERED_IN = 30_000;
const UPLOADED_IN = 180_000;

let csrf = "";
let expired = () => {};

export function useCsrf(token: string) {
  csrf = token;
}

/** Called when the server says that nobody is signed in any more. */
export function onExpired(then: () => void) {
  expired = then;
}

export const get = <T>(path: string, signal?: AbortSignal) => ask<T>("GET", path, undefined, signal);
export const post = <T>(path: string, body?: unknown) => ask<T>("POST", path, body);
export const put = <T>(path: string, body: unknown) => ask<T>("PUT", path, body);
export const remove = <T>(path: string) => ask<T>("DELETE", path);

async function ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
  let payload: BodyInit | undefined;
  if (body instanceof Blob) {
    headers["Content-Type"] = "audio/wav";
    payload = body;
  } else if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    payload = JSON.stringify(body);
  }
  const late = AbortSignal.timeout(body instanceof Blob ? UPLOADED_IN : ANSWERED_IN);
  const ends = signal ? AbortSignal.any([signal, late]) : late;
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, { method, headers, body: payload ?? null, signal: ends, credentials: "same-origin" });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Failure(0, "no_answer", "", "", {});
  }
  const parsed = text && /json/.test(response.headers.get("content-type") ?? "") ? JSON.parse(text) : {};
  if (response.ok) return parsed as T;
  let code = typeof parsed.code === "string" ? parsed.code : String(parsed.type ?? "").split(":").at(-1) || String(response.status);
  code = code.replaceAll("-", "_");
  if (response.status === 401 && path !== "/api/v1/session") expired();
  throw new Failure(response.status, code, parsed.detail ?? "", parsed.remedy ?? "", parsed);
}

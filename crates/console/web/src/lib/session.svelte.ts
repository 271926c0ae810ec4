// Who is signed in.

import { get, onExpired, post, put, remove, useCsrf } from "./api";
import { told } from "./failure";
import { t, tongue } from "./i18n.svelte";
import { announce } from "./say.svelte";
import type { Role, Session, SignIn, Tongue } from "./types";

class Sessions {
  current = $state.raw<Session | null>(null);
  /** What the sign-in page offers. */
  offer = $state.raw<SignIn | null>(null);
  /** Nothing is known yet. */
  asking = $state(true);
  /** The server could not be asked. */
  unreachable = $state(false);
  /** Somebody was signed in until a moment ago. */
  ended = $state(false);
  /** Whoever left came by the identity provider, where they may still be signed in. */
  left = $state(false);

  constructor() {
    onExpired(() => this.#over());
  }

  /** Asks who is signed in; at the start, and whenever a stream breaks. */
  async check(): Promise<void> {
    try {
      this.#enter(await get<Session>("/api/v1/session"));
    } catch (error) {
      const status = (error as { status?: number }).status;
      this.unreachable = status !== 401;
      if (status === 401) this.#over();
    }
    if (!this.current && !this.offer) {
      try {
        this.offer = await get<SignIn>("/api/v1/sign-in");
        this.unreachable = false;
      } catch {
        this.unreachable = true;
      }
    }
    this.asking = false;
  }

  async signIn(user: string, password: string) {
    const session = await post<Session>("/api/v1/session", { user, password });
    this.ended = false;
    this.#enter(session);
    if (session.language !== tongue.current) await this.say(tongue.current);
  }

  /** Why nobody should leave just now; null when nothing holds them back. */
  #held: () => string | null = () => null;

  /** Asks `held` before anybody signs out; the result ends that (for `$effect`). */
  holdBack(held: () => string | null): () => void {
    this.#held = held;
    return () => (this.#held = () => null);
  }

  async signOut() {
    const held = this.#held();
    if (held) return announce.show(held, true);
    try {
      await remove("/api/v1/session");
    } catch (error) {
      // To look signed out with a session that lives on would leave the desk to whoever comes by.
      if ((error as { status?: number }).status !== 401) return announce.show(t("sign_out.failed", told(error)), true);
    }
    this.left = this.current?.password === false;
    this.current = null;
    this.ended = false;
    this.offer = null;
    useCsrf("");
    await this.check();
  }

  /** The language of the page, kept with the account. */
  async say(language: Tongue) {
    tongue.set(language);
    if (this.current) await put("/api/v1/session/language", { language }).catch(() => {});
  }

  has(...roles: Role[]): boolean {
    return roles.some((role) => this.current?.roles.includes(role));
  }

  #enter(session: Session) {
    useCsrf(session.csrf);
    this.unreachable = false;
    this.left = false;
    // The same session again must not restart the page's streams.
    if (this.current?.user === session.user && this.current.csrf === session.csrf) return;
    this.current = session;
  }

  #over() {
    if (this.current) this.ended = true;
    this.current = null;
    useCsrf("");
  }
}

export const session = new Sessions();

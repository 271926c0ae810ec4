// Shortcuts. A single letter acts only where nobody is typing and no dialog is open, and can be switched off: speech input
// says letters that nobody meant (WCAG 2.1.4).

import { untrack } from "svelte";
import type { Key } from "../texts";

export interface Shortcut {
  /** As `KeyboardEvent.key`, in small letters. */
  key: string;
  /** What it does. */
  text: Key;
  run: () => void;
  /** Only now and then. */
  when?: () => boolean;
}

const KEPT = "havre.letters";

class Shortcuts {
  /** Single letters act. */
  letters = $state(localStorage.getItem(KEPT) !== "off");
  all = $state.raw<Shortcut[]>([]);
  open = $state(false);

  constructor() {
    addEventListener("keydown", (event) => this.#pressed(event));
    this.#mark();
  }

  allow(letters: boolean) {
    this.letters = letters;
    localStorage.setItem(KEPT, letters ? "on" : "off");
    this.#mark();
  }

  /** Buttons then show no letter. */
  #mark() {
    document.documentElement.toggleAttribute("data-no-letters", !this.letters);
  }

  /** Adds some; the result takes them away again (for `$effect`). */
  use(some: Shortcut[]): () => void {
    // Untracked: the effect that adds does not depend on what others add.
    this.all = [...untrack(() => this.all), ...some];
    return () => (this.all = untrack(() => this.all).filter((shortcut) => !some.includes(shortcut)));
  }

  #pressed(event: KeyboardEvent) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.defaultPrevented) return;
    const at = event.target as HTMLElement;
    if (at.closest("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open]")) return;
    // Enter on a button is that button's.
    if (event.key === "Enter" && at.closest("a, button, summary, [role=button]")) return;
    if (event.key.length === 1 && !this.letters) return;
    if (event.key === "?") {
      this.open = true;
      event.preventDefault();
      return;
    }
    const key = event.key.toLowerCase();
    const shortcut = this.all.findLast((one) => one.key === key && (one.when?.() ?? true));
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run();
  }
}

export const shortcuts = new Shortcuts();

// Light, dark, or as the system says.

const KEPT = "havre.theme";
export type Theme = "system" | "light" | "dark";

class Themes {
  current = $state<Theme>((localStorage.getItem(KEPT) as Theme | null) ?? "system");

  constructor() {
    this.#apply();
  }

  set(theme: Theme) {
    this.current = theme;
    localStorage.setItem(KEPT, theme);
    this.#apply();
  }

  #apply() {
    document.documentElement.style.colorScheme = this.current === "system" ? "light dark" : this.current;
  }
}

export const theme = new Themes();

// Where the page is: `#/board/call/c00000001` is ["board", "call", "c00000001"].

class Route {
  parts = $state<string[]>(read());

  constructor() {
    addEventListener("hashchange", () => (this.parts = read()));
  }

  get page(): string {
    return this.parts[0] ?? "";
  }

  go(path: string) {
    location.hash = `#/${path}`;
  }

  /** Leaves no trace in the history: a one-time link must not stay there. */
  replace(path: string) {
    history.replaceState(null, "", `#/${path}`);
    this.parts = read();
  }
}

function read(): string[] {
  const parts = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean);
  return parts.map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
}

export const route = new Route();

export class RequestCookies {
  constructor(headers) {
    this.headers = headers;
  }

  get(name) {
    const value = this.#all().get(name);
    return value === undefined ? undefined : { name, value };
  }

  set(name, value) {
    const all = this.#all().set(name, value);
    this.headers.set("cookie", [...all].map(([key, one]) => `${key}=${one}`).join("; "));
  }

  #all() {
    const found = new Map();
    for (const part of (this.headers.get("cookie") ?? "").split(";")) {
      const [name, ...value] = part.split("=");
      if (value.length && !found.has(name.trim())) found.set(name.trim(), value.join("=").trim());
    }
    return found;
  }
}

export class NextRequest {
  constructor(request) {
    this.url = request.url;
    this.nextUrl = new URL(request.url);
    this.headers = new Headers(request.headers);
    this.cookies = new RequestCookies(this.headers);
  }
}

export class NextResponse {
  static next({ request } = {}) {
    return new NextResponse(request?.headers);
  }

  constructor(requestHeaders) {
    /** What the page sees in place of the headers that came. */
    this.requestHeaders = requestHeaders;
    this.headers = new Headers();
    this.cookies = {
      set: (name, value, { path, maxAge, sameSite, secure }) => {
        const site = sameSite[0].toUpperCase() + sameSite.slice(1);
        const line = `${name}=${value}; Path=${path}; Max-Age=${maxAge}; SameSite=${site}`;
        this.headers.append("set-cookie", secure ? `${line}; Secure` : line);
      },
    };
  }
}

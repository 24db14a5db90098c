// Gives a new visitor an id before the page renders: a server component cannot set a cookie.
import { NextResponse } from "next/server";

const COOKIE = "fx_sid";
const USABLE = /^[!#-+\--:<-[\]-~]{1,400}$/;
const YEAR_S = 31536000;

export function middleware(request) {
  const known = request.cookies.get(COOKIE)?.value;
  const isNew = known === undefined || !USABLE.test(known);
  const visitorId = isNew ? crypto.randomUUID() : known;
  if (isNew) request.cookies.set(COOKIE, visitorId);

  const headers = new Headers(request.headers);
  headers.set("x-page-url", request.url);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set("cache-control", "private, no-store");
  if (isNew) {
    response.cookies.set(COOKIE, visitorId, {
      path: "/",
      maxAge: YEAR_S,
      sameSite: "lax",
      secure: request.nextUrl.protocol === "https:",
    });
  }
  return response;
}

export const config = { matcher: "/" };

// The service worker of the field page: the page from the network, or as it was at the last visit. It keeps the page and
// its parts, and nothing that anybody typed.
const CACHE = "msingi-field-1";
const PARTS = ["/field/field.js", "/field/packet.js", "/field/field.css", "/field/icon.svg", "/field/manifest.webmanifest"];
const loose = { ignoreVary: true };

async function fill() {
  const cache = await caches.open(CACHE);
  const page = await fetch("/field", { cache: "no-cache" });
  const tongues = (await page.clone().text()).match(/\/field\?lang=[a-z-]+/g) ?? [];
  await cache.put("/field", page);
  await cache.addAll([...PARTS, ...new Set(tongues)]);
}

async function answer(request) {
  const cache = await caches.open(CACHE);
  try {
    const fresh = await fetch(request);
    if (fresh.ok) await cache.put(request, fresh.clone());
    return fresh;
  } catch (error) {
    const kept = (await cache.match(request, loose)) ?? (request.mode === "navigate" && (await cache.match("/field", loose)));
    if (kept) return kept;
    throw error;
  }
}

addEventListener("install", (event) => event.waitUntil(fill().then(() => skipWaiting())));
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  const ours = pathname === "/field" || pathname.startsWith("/field/");
  if (event.request.method === "GET" && origin === location.origin && ours) event.respondWith(answer(event.request));
});

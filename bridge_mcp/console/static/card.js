// The console's approvals in a host's frame (MCP Apps): pages come by calls of tools in the place of requests.
const POLL_MS = 2000, TYPING_MS = 200;
const main = byId("main"), pending = new Map();
let next = 1, cursor = "", polling = 0, typing = 0, over = false;

function post(message) { window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*"); }

function ask(method, params) {
  const id = next++;
  return new Promise((resolve, reject) => { pending.set(id, { resolve, reject }); post({ id, method, params }); });
}

// What a page of the console says. What others wrote is escaped in it, and the policy above lets no script in it run.
async function html(name, path, form) {
  const result = await ask("tools/call", { name, arguments: form === undefined ? { path } : { path, form } });
  const text = (result.content || []).map((each) => each.text || "").join("");
  if (result.isError) throw new Error(text || "The host did not let it through.");
  return JSON.parse(text).html;
}

function complain(error) {
  const told = document.createElement("div");
  told.className = "notice bad";
  told.setAttribute("role", "alert");
  told.textContent = error.message;
  main.querySelectorAll(":scope > .notice.bad").forEach((each) => each.remove());
  main.prepend(told);
}

function sent(form, button) { return new URLSearchParams(new FormData(form, button)).toString(); }

async function open(name, path, form) {
  main.inert = true;
  try {
    main.innerHTML = await html(name, path, form);
    cursor = "";
    // Only the approvals are here.
    for (const link of main.querySelectorAll('a:not([href^="/console/approvals"])')) link.removeAttribute("href");
  } catch (error) { complain(error); }
  main.inert = false;
  main.focus();
}

// No event reaches a card: it asks what has happened since, while it is seen.
async function look() {
  clearTimeout(polling);
  const source = main.querySelector("[hx-sse\\:connect]");
  if (source && !main.inert) {
    const path = source.getAttribute("hx-sse:connect");
    try {
      const told = await html("show_card", cursor ? path.replace(/after=\d+/, `after=${cursor}`) : path);
      if (source.isConnected) swap(told);
    } catch (error) { if (source.isConnected) complain(error); }
  }
  if (!over) polling = setTimeout(look, document.hidden ? 5 * POLL_MS : POLL_MS);
}

function swap(events) {
  const made = document.createElement("template");
  made.innerHTML = events.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
  for (const part of made.content.querySelectorAll("hx-partial")) {
    const target = main.querySelector(part.getAttribute("hx-target")), how = part.getAttribute("hx-swap");
    if (!target) continue;
    if (how === "beforeend") target.append(...part.childNodes);
    else if (how.startsWith("inner")) target.replaceChildren(...part.childNodes);
    else target.replaceWith(...part.childNodes);
  }
  for (const [, seen] of events.matchAll(/^id: (\d+)$/gm)) cursor = seen;
  document.dispatchEvent(new Event("htmx:after:swap"));
}

// Clicks, since hosts may forbid frames to send forms: then no form tells that it would be sent.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]"), button = event.target.closest("button");
  const form = button && button.form;
  if (link || form) event.preventDefault();
  if (link) open("show_card", link.getAttribute("href"));
  else if (form) open("decide_on_card", form.getAttribute("action"), sent(form, button));
});

document.addEventListener("input", (event) => {
  const asks = event.target.closest("[hx-post]");
  if (!asks) return;
  clearTimeout(typing);
  typing = setTimeout(async () => {
    try {
      const told = await html("show_card", asks.getAttribute("hx-post"), sent(asks.closest("form")));
      if (asks.isConnected) main.querySelector(asks.getAttribute("hx-target")).innerHTML = told;
    } catch (error) { complain(error); }
  }, TYPING_MS);
});

function dress(context) {
  if (context && (context.theme === "light" || context.theme === "dark")) document.documentElement.dataset.theme = context.theme;
}

addEventListener("message", (event) => {
  const message = event.data;
  if (event.source !== window.parent || !message || message.jsonrpc !== "2.0") return;
  if (message.method === undefined) {
    const waits = pending.get(message.id);
    pending.delete(message.id);
    if (waits) message.error ? waits.reject(new Error(message.error.message)) : waits.resolve(message.result);
  } else if (message.method === "ui/notifications/host-context-changed") {
    dress(message.params);
  } else if (message.method === "ui/resource-teardown") {
    over = true;
    clearTimeout(polling);
    post({ id: message.id, result: {} });
  } else if (message.id !== undefined) {
    post(message.method === "ping" ? { id: message.id, result: {} } : { id: message.id, error: { code: -32601, message: "Method not found" } });
  }
});

new ResizeObserver(() => {
  post({ method: "ui/notifications/size-changed", params: { width: Math.ceil(document.documentElement.scrollWidth), height: Math.ceil(document.documentElement.getBoundingClientRect().height) } });
}).observe(document.documentElement);

ask("ui/initialize", {
  protocolVersion: "2026-01-26", appInfo: { name: "bridge-mcp approvals", version: "1" }, appCapabilities: {},
}).then(async (answer) => {
  dress(answer.hostContext);
  post({ method: "ui/notifications/initialized", params: {} });
  await open("show_card", "/console/approvals");
  return look();
}).catch(complain);

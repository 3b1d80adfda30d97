// A host's page by ext-apps' own AppBridge: it shows a card in a sandboxed frame, and hands its calls on.
import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

window.show = async (html, result, theme) => {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.title = "card";
  document.body.append(frame);
  const bridge = new AppBridge(null, { name: "a-host", version: "1" }, { serverTools: {} }, { hostContext: { theme } });
  bridge.oncalltool = (params) => window.callTool(params.name, params.arguments || {});
  bridge.onsizechange = ({ height }) => { frame.style.height = `${height}px`; };
  const ready = new Promise((resolve) => { bridge.oninitialized = resolve; });
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.srcdoc = html;
  await ready;
  await bridge.sendToolInput({ arguments: {} });
  await bridge.sendToolResult(result);
  window.tearDown = () => bridge.teardownResource({});
};

// One page in a headless Chromium, controlled over standard input: one answer line per input line.
//
//   node steered.js CHROMIUM PROFILE_DIRECTORY
//   {"call": "click", "args": ["#x"]}   a method of Playwright's page; "keyboard.press" works too
//   {"value": ...}  or  {"error": "..."}
"use strict";

const readline = require("readline");
const { chromium } = require("playwright-core");

const [executablePath, profile] = process.argv.slice(2);
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

(async () => {
  const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args });
  const page = context.pages()[0] || await context.newPage();
  page.setDefaultTimeout(10000);
  const complaints = []; // errors of the page, and violations of its content security policy
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  const custom = {
    complaints: async () => complaints.splice(0),
    accessibility: async () => {
      const session = await context.newCDPSession(page);
      const { nodes } = await session.send("Accessibility.getFullAXTree");
      return nodes.filter((n) => !n.ignored).map((n) => ({ role: n.role?.value, name: n.name?.value ?? "" }));
    },
  };
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { call, args: given } = JSON.parse(line);
    const path = call.split(".");
    const method = path.pop();
    const on = path.reduce((object, name) => object[name], page);
    try {
      const value = await (custom[call] ? custom[call]() : on[method](...given));
      const plain = value === null || ["string", "number", "boolean"].includes(typeof value) || Array.isArray(value);
      console.log(JSON.stringify({ value: plain ? value : null }));
    } catch (error) {
      console.log(JSON.stringify({ error: String(error) }));
    }
  }
  await context.close();
})().catch((error) => {
  console.log(JSON.stringify({ error: String(error) }));
  process.exitCode = 1;
});

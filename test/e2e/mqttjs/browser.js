// Open pages in a headless Chromium, one after the other, and print the result of each.
//
//   node browser.js CHROMIUM PROFILE_DIRECTORY URL...
"use strict";

const { chromium } = require("playwright-core");

const [executablePath, profile, ...urls] = process.argv.slice(2);
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

(async () => {
  const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args });
  try {
    const page = await context.newPage();
    for (const url of urls) {
      await page.goto(url);
      const result = page.locator("#result:not(:empty)");
      await result.waitFor({ timeout: 20000 });
      console.log(await result.textContent());
    }
  } finally {
    await context.close();
  }
})().catch((error) => {
  console.error(String(error));
  process.exitCode = 1;
});

// What both the Node program and the page do: two messages with QoS 1 there and back.
"use strict";

(function (root) {
  function exchange(mqtt, url, options) {
    return new Promise((resolve, reject) => {
      const client = mqtt.connect(url, options);
      const topic = "js/" + options.clientId;
      const payloads = ["hello", "x".repeat(100 * 1024)];
      let got = 0;
      const give = (what, value) => {
        client.end(true);
        what(value);
      };
      client.on("error", (error) => give(reject, error));
      client.on("close", () => {
        if (got < payloads.length) reject(new Error("closed after " + got + " messages"));
      });
      client.on("connect", () => {
        client.subscribe(topic, { qos: 1 }, (error) => {
          if (error) return give(reject, error);
          client.publish(topic, payloads[0], { qos: 1 });
        });
      });
      client.on("message", (came, payload, packet) => {
        if (came !== topic || payload.toString() !== payloads[got] || packet.qos !== 1) {
          return give(reject, new Error("message " + got + " is not what was sent"));
        }
        got += 1;
        if (got === payloads.length) {
          return client.end(false, {}, () => resolve(got));
        }
        client.publish(topic, payloads[got], { qos: 1 });
      });
    });
  }
  if (typeof module !== "undefined") module.exports = { exchange };
  else root.exchange = exchange;
})(typeof window === "undefined" ? globalThis : window);

// Used by the Node.js program and the page: publish two messages with QoS 1 and receive them.
"use strict";

(function (root) {
  function exchange(mqtt, url, options) {
    return new Promise((resolve, reject) => {
      const client = mqtt.connect(url, options);
      const topic = "js/" + options.clientId;
      const payloads = ["hello", "x".repeat(100 * 1024)];
      let got = 0;
      const finish = (settle, value) => {
        client.end(true);
        settle(value);
      };
      client.on("error", (error) => finish(reject, error));
      client.on("close", () => {
        if (got < payloads.length) reject(new Error("closed after " + got + " messages"));
      });
      client.on("connect", () => {
        client.subscribe(topic, { qos: 1 }, (error) => {
          if (error) return finish(reject, error);
          client.publish(topic, payloads[0], { qos: 1 });
        });
      });
      client.on("message", (receivedTopic, payload, packet) => {
        if (receivedTopic !== topic || payload.toString() !== payloads[got] || packet.qos !== 1) {
          return finish(reject, new Error("message " + got + " differs from the sent one"));
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

// MQTT.js as a device: subscribe, publish, read back; print "ok" or the error.
//
//   node client.js URL CLIENT_ID 4|5 [CA_FILE]
"use strict";

const fs = require("fs");
const mqtt = require("mqtt");
const { exchange } = require("./exchange.js");

const [url, clientId, version, caFile] = process.argv.slice(2);
const options = { clientId, protocolVersion: Number(version), reconnectPeriod: 0, connectTimeout: 10000 };
if (caFile) options.ca = fs.readFileSync(caFile);

exchange(mqtt, url, options).then(
  () => console.log("ok"),
  (error) => {
    console.log(String(error));
    process.exitCode = 1;
  });

// Runs the script of examples/webcam/index.html against a real server, with as much of a browser as it touches.
// Usage: node page.mjs PAGE SERVER MODEL FRAME ANSWERS   (prints what the page says after each answer, and what it draws)
import { readFileSync } from "node:fs";

const [, , page, server, model, frame, wanted] = process.argv;
const script = readFileSync(page, "utf8").match(/<script type="module">([\s\S]*)<\/script>/)[1];
const picture = readFileSync(frame);
const labels = [];
const pen = { strokeRect() {}, fillRect() {}, drawImage() {}, fillText: (text) => labels.push(text) };
let submit;
const element = (value) => ({ value, getContext: () => pen, toBlob: (done) => done(new Blob([picture])), play() {} });
const parts = {
  server: element(server), model: element(model), threshold: element("0.5"), token: element(process.env.TOKEN ?? ""),
  video: element(), overlay: element(), form: { addEventListener: (_, heard) => { submit = heard; } },
  status: {
    said: [],
    set textContent(text) {
      this.text = text;
      this.said.push(text);
      if (this.said.length < Number(wanted)) return;
      console.log(JSON.stringify({ said: this.said, labels }));
      process.exit(0);
    },
    get textContent() { return this.text ?? ""; },
  },
};
globalThis.document = { getElementById: (id) => parts[id], createElement: () => element() };
globalThis.requestAnimationFrame = (next) => setImmediate(next);
Object.defineProperty(globalThis, "navigator", { value: { mediaDevices: { getUserMedia: async () => ({}) } } });
await import(`data:text/javascript,${encodeURIComponent(script)}`);
await submit({ preventDefault() {} });

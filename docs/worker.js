// Browsers start no worker for a page that is opened as a file. There the search works in a hidden frame instead.
if (location.protocol === "file:") {
  const send = window.postMessage;
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc =
        '<script>postMessage = answer => parent.postMessage(answer, "*")<\/script>' +
        `<script src="${address}"><\/script>`;
      this.ready = new Promise(resolve => this.frame.addEventListener("load", resolve, { once: true }));
      window.addEventListener("message", ({ source, data }) => {
        if (source === this.frame.contentWindow) this.dispatchEvent(new MessageEvent("message", { data }));
      });
      document.body.append(this.frame);
    }
    postMessage(question) {
      this.ready.then(() => send.call(this.frame.contentWindow, question, "*"));
    }
    terminate() {
      this.frame.remove();
    }
  };
}

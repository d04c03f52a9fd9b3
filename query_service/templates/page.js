// While an answer is on its way the page says so; without this script the browser alone does.
const wait = document.querySelector(".wait");
const show = (text) => {
  wait.textContent = text;
  document.body.classList.toggle("waiting", text !== "");
};
addEventListener("beforeunload", () => show("Searching …"));
addEventListener("pageshow", () => show(""));
addEventListener("keydown", (event) => event.key === "Escape" && show(""));

// Runs the C++ of docs/self_test.md, which stands before this, on a file.

#include <iostream>

int main(int, char** arguments) {
  Ort::Env env(ORT_LOGGING_LEVEL_ERROR);
  Ort::Session session(env, arguments[1], Ort::SessionOptions{nullptr});
  try {
    self_test(session);
    std::cout << "passed";
  } catch (const std::exception& error) {
    std::cout << error.what();
  }
}

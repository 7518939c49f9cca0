"""Everything that this project uses of Keras and that Keras does not promise to keep.

That is what is imported from `keras.src`, attributes of Keras's objects whose names begin with an
underscore, and methods of Keras that are patched. No other file of the two packages touches these;
`tests/test_walls.py` checks that. Each function says which part of Keras it relies on and since
which version that part is there.
"""

"""LSTM, GRU and RNN, written as their steps."""

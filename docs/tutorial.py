# %% [markdown]
# # A first look into a network
#
# SqueezeNet was trained to name what is in a photograph. Here is what its units look for: pictures
# that start from noise and rise until a unit answers as much as it can. `make_tutorial.py` makes
# this notebook of `tutorial.py`.

# %%
import numpy as np
import onnxscope as osc

model = osc.load("squeezenet")
model

# %% [markdown]
# ## A channel
#
# Channel 5 of the layer `fire8`, everywhere in the picture. While it rises, the picture is shown
# below the cell. More steps (512 are usual) make it crisper.

# %%
picture = osc.render(model, "fire8:5", size=160, steps=96)
picture

# %% [markdown]
# A picture is an array, `(H, W, 3)` in [0, 1], and a file that holds its own recipe.

# %%
pixels = np.asarray(picture)
pixels.shape, float(pixels.mean())

# %%
picture.save("fire8-5.png")
osc.read_recipe("fire8-5.png").objective

# %% [markdown]
# ## Several units at once

# %%
units = osc.render(model, ["fire4:7", "fire6:30", "fire9:100"], size=128, steps=64)
units.grid(columns=3)

# %%
units[0].captions, len(units)

# %% [markdown]
# ## From edges to parts
#
# A neuron is one cell of a channel, and sees only a part of the picture: the deeper its layer, the
# larger the part. `cropped` cuts it out.

# %%
neuron = osc.render(model, osc.neuron("fire4", 7), size=128, steps=64)
neuron.marked()

# %%
neuron.cropped(enlarge=4)

# %% [markdown]
# ## Sums
#
# Objectives are added, subtracted and weighed. Here a channel, with a little less variation from
# pixel to pixel.

# %%
smooth = osc.channel("fire8", 5) - 0.03 * osc.total_variation()
osc.render(model, smooth, size=160, steps=96)

# %% [markdown]
# ## The other way round: what does the network see in a picture?
#
# `osc.fit` brings a photograph of any size to what the model takes; paths are fitted by themselves.
# Here the picture from above stands in for a photograph.

# %%
scores = model.activations("fire8-5.png", model.logits())[model.logits()][0]
[model.labels[number] for number in np.argsort(-scores)[:3]]

# %% [markdown]
# ## Is the gradient right?
#
# Everything above follows gradients that onnxscope wrote into the network's graph. On this machine,
# against differences:

# %%
osc.verify(model, "fire5:3", directions=2)
